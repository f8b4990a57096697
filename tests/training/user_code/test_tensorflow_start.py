"""TensorFlow's lines of information do not reach the terminal; whatever else is written there does."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from mlaas4hep.training.user_code.tensorflow_start import quiet_tensorflow
from tests.support.tensorflow_lines import LINES


def test_only_tensorflow_is_loaded_that_way(tmp_path: Path) -> None:
    for name in ("tensorflow", "other"):
        (tmp_path / f"{name}.py").write_text(f"import os\nos.write(2, {LINES + name!r}.encode())\n")
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from mlaas4hep.training.user_code.tensorflow_start import quiet_tensorflow
        with quiet_tensorflow():
            import tensorflow, other
        assert tensorflow.__file__ == {str(tmp_path / "tensorflow.py")!r}
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == f"tensorflow{LINES}other"


def test_the_finder_is_gone_afterwards() -> None:
    before = list(sys.meta_path)
    with quiet_tensorflow():
        assert sys.meta_path != before
    assert sys.meta_path == before
