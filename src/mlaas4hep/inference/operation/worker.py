"""A server process that a supervisor watches over: ``python -m mlaas4hep.inference.operation.worker``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mlaas4hep.inference.operation.process import run_process
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.processes.worker import Worker, run_worker


def _run(settings: dict[str, Any], worker: Worker, ready: Callable[[], None]) -> int:
    return run_process(Settings.model_validate(settings), worker, lambda _line: ready())


if __name__ == "__main__":
    sys.exit(run_worker(_run))
