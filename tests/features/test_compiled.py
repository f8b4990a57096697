"""Compiled loops without any place for a cache, in a package that cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mlaas4hep
from mlaas4hep.features.compiled import address_of, address_of_vector, positions

PROGRAM = """
import numpy as np
from mlaas4hep.features.layout import FeatureBranch, Layout
layout = Layout((FeatureBranch("x", "flat", 1, 1.0, 2.0, -9.0, 0.0),))
print(layout.transform(np.array([[3.0]], dtype=np.float32)).item())
"""


def test_no_place_for_a_cache(tmp_path: Path) -> None:
    source = Path(mlaas4hep.__file__).parent
    package = tmp_path / "package" / "mlaas4hep"
    shutil.copytree(source / "features", package / "features", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(source / "errors", package / "errors", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "__init__.py", package)
    # A file where a folder should be: nobody can write there, not even root.
    (package / "features" / "__pycache__").write_text("")
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    hidden = {"NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME", "PYTHONPATH"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    places = {"HOME": str(nowhere), "XDG_CACHE_HOME": str(nowhere), "PYTHONPATH": str(package.parent)}
    command = [sys.executable, "-B", "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, env={**kept, **places}, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "4.0"), done.stderr


def test_addresses() -> None:
    values = np.arange(4, dtype=np.float32)
    assert address_of(values) == address_of_vector(values) == values.ctypes.data
    assert address_of(values[1:]) == address_of_vector(values[1:]) == values.ctypes.data + 4


def test_positions() -> None:
    assert positions(np.array([True, False, True]), 3).tolist() == [0, 2]
    assert positions(np.array([2, 0], dtype=np.uint8), 3).tolist() == [2, 0]
    for wrong in (np.array([1.0]), np.array([[1]]), np.array([True])):
        with pytest.raises(ValueError, match="of 3 events some are chosen"):
            positions(wrong, 3)
