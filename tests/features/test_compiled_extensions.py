"""Numba's extensions by other packages are not loaded for our loops, and are there for those of the user."""

from __future__ import annotations

import subprocess
import sys
import textwrap

CODE = """
    import sys
    import numpy as np
    from mlaas4hep.features.statistics.sweep import sweep
    sweep(np.ones(4, np.float32), np.empty(0, np.float32), np.array([[0, 4]]))
    assert "vector" not in sys.modules, "an extension was loaded"

    import awkward as ak
    import numba

    @numba.njit
    def total(lists):
        found = 0.0
        for numbers in lists:
            for number in numbers:
                found += number
        return found

    assert total(ak.Array([[1.0, 2.0], [], [3.0]])) == 6.0
"""


def test_extensions_are_loaded_by_the_first_loop_of_others() -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(CODE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
