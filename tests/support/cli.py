"""The command line, run within the test's process."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from mlaas4hep.cli.main import main

__all__ = ["Outcome", "run"]


@dataclass(frozen=True)
class Outcome:
    """What a command left behind.

    Attributes:
        code: exit code.
        out: standard output.
        err: standard error.
    """

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that tells what went wrong; fails if there is not exactly one, or a traceback."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err, self.err
        return lines[0]

    @property
    def warnings(self) -> list[str]:
        """The lines that warn, without their mark."""
        return [line.removeprefix("warning: ") for line in self.err.splitlines() if line.startswith("warning: ")]


def run(*arguments: object) -> Outcome:
    """Run ``mlaas4hep`` with these arguments, as text."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return Outcome(code, out.getvalue(), err.getvalue())
