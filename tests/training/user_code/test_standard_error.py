"""What is written to standard error is dropped or comes through, as asked."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlaas4hep.training.user_code.standard_error import EVERYTHING, without_text
from mlaas4hep.training.user_code.tensorflow_start import INFORMATION
from tests.support.tensorflow_lines import LINES


def test_lines_of_information_are_dropped_and_all_others_come_through(capfd: pytest.CaptureFixture[str]) -> None:
    with without_text(INFORMATION):
        os.write(2, f"before\n{LINES}".encode())
        os.write(2, b"a fault\n")
        os.write(2, b"no end of line")
    assert capfd.readouterr().err == "before\na fault\nno end of line"


def test_what_was_written_before_an_exception_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(2, b"the reason\n")
        raise ImportError

    with pytest.raises(ImportError), without_text(INFORMATION):
        fail()
    assert capfd.readouterr().err == "the reason\n"


def test_without_standard_error_nothing_is_lost() -> None:
    code = (
        "import mlaas4hep.training.user_code.standard_error as q, os\n"
        "os.close(2)\n"
        "with q.without_text(q.EVERYTHING): print('done')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"done\n"


def test_everything_can_be_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    with without_text(EVERYTHING):
        os.write(2, b"two\nlines\n")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
