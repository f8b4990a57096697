"""``python -m mlaas4hep``: the same as the command ``mlaas4hep``."""

from __future__ import annotations

from mlaas4hep.cli.main import main

if __name__ == "__main__":
    main()
