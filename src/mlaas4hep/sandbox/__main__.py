"""``python -m mlaas4hep.sandbox`` is the child, see `mlaas4hep.sandbox.child`."""

from __future__ import annotations

import sys

from mlaas4hep.sandbox.child import main

sys.exit(main(sys.argv[1:]))
