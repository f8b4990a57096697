"""TensorFlow's lines of information do not reach the terminal; whatever else is written there does."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mlaas4hep.training.tensorflow_start import INFORMATION, quiet_tensorflow, without_lines

LINES = (
    "2026-11-24 17:00:00.1: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on. You may see\n"
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1795542008.559063    6016 port.cc:153] oneDNN custom operations are on. You may see slightly\n"
    "I0000 00:00:1795542008.559063 6016 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use\n"
    "To enable the following instructions: AVX2 AVX512F, rebuild TensorFlow with the appropriate compiler flags.\n"
)


def test_lines_of_information_are_dropped_and_all_others_come_through(capfd: pytest.CaptureFixture[str]) -> None:
    with without_lines(INFORMATION):
        os.write(2, f"before\n{LINES}".encode())
        os.write(2, b"a fault\n")
        os.write(2, b"no end of line")
    assert capfd.readouterr().err == "before\na fault\nno end of line"


def test_what_was_written_before_an_exception_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(2, b"the reason\n")
        raise ImportError

    with pytest.raises(ImportError), without_lines(INFORMATION):
        fail()
    assert capfd.readouterr().err == "the reason\n"


def test_only_tensorflow_is_loaded_that_way(tmp_path: Path) -> None:
    for name in ("tensorflow", "other"):
        (tmp_path / f"{name}.py").write_text(f"import os\nos.write(2, {LINES + name!r}.encode())\n")
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from mlaas4hep.training.tensorflow_start import quiet_tensorflow
        with quiet_tensorflow():
            import tensorflow, other
        assert tensorflow.__file__ == {str(tmp_path / "tensorflow.py")!r}
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == f"tensorflow{LINES}other"


def test_without_standard_error_nothing_is_lost() -> None:
    code = (
        "import mlaas4hep.training.tensorflow_start as q, os\n"
        "os.close(2)\n"
        "with q.without_lines(q.INFORMATION): print('done')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"done\n"


def test_the_finder_is_gone_afterwards() -> None:
    before = list(sys.meta_path)
    with quiet_tensorflow():
        assert sys.meta_path != before
    assert sys.meta_path == before
