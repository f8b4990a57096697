"""A server process that a supervisor watches over: ``python -m mlaas4hep.inference.operation.worker``.

Its settings come as one line of JSON on standard input, which stays open as long as the supervisor lives; it tells on a
descriptor of its own when it is ready, or why it cannot be.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.inference.operation.process import Place, run_process
from mlaas4hep.inference.settings import Settings

__all__ = ["main"]

USER_ERROR = 2


def main() -> int:
    """Run the process; the exit code."""
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(0, 1 << 16)
        if not part:
            return USER_ERROR
        line += part
    told = json.loads(line)
    settings = Settings.model_validate(told["settings"])

    def tell(**message: object) -> None:
        os.write(told["messages"], json.dumps(message).encode() + b"\n")

    try:
        place = Place(told["worker"], Path(told["folder"]), 0)
        return run_process(settings, place, lambda line, _http, _grpc: tell(ready=line))
    except (MLaaS4HEPError, OSError) as error:
        tell(failed=str(error))
        return USER_ERROR


if __name__ == "__main__":
    sys.exit(main())
