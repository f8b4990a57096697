"""External memory on a disk of the size that is asked for beforehand: a full one ends the process, not the training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlaas4hep.training.backends.xgboost.memory import room_on_disk
from tests.support.disks import small_disk
from tests.support.events import MemoryEvents, make_sample

xgboost = pytest.importorskip("xgboost")

EVENTS = 40_000
TRAIN = """
import json
import sys
from pathlib import Path

import xgboost

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.training.backends.xgboost.backend import XGBoostBackend
from tests.support.fitting import fit_settings
from tests.training.backends.xgboost.test_disk import parts

folder, missing, parameters = Path(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
train, validation = parts(missing)
model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1, **parameters)
try:
    XGBoostBackend().fit(model, train, validation, fit_settings(folder, memory_limit=10**8))
except MLaaS4HEPError as error:
    print(error)
else:
    print("trained", model.get_booster().num_boosted_rounds())
"""


def parts(missing: float) -> tuple[MemoryEvents, MemoryEvents]:
    """Training and validation events, a share of whose values is missing."""
    sizes = ((1, EVENTS), (2, EVENTS // 4))
    train, validation = (
        MemoryEvents(make_sample(size, 20, seed=seed, missing=missing), chunk_size=5000, limited=True)
        for seed, size in sizes
    )
    return train, validation


@pytest.mark.parametrize(
    ("missing", "parameters"),
    [(0.0, {}), (0.1, {}), (0.1, {"max_bin": 1024}), (0.1, {"tree_method": "approx"})],
)
def test_what_is_asked_for_is_enough_and_less_is_refused(
    tmp_path: Path, missing: float, parameters: dict[str, object]
) -> None:
    room = room_on_disk(xgboost.XGBClassifier(**parameters), *parts(missing))
    for size, says in ((room + 2**16, "trained 3"), (room - 2**16, "may take")):
        with small_disk(tmp_path / f"disk{size}", str(size)) as disk:
            done = subprocess.run(
                [sys.executable, "-c", TRAIN, str(tmp_path), str(missing), json.dumps(parameters)],
                env={**os.environ, "TMPDIR": str(disk), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert says in done.stdout
            assert list(disk.iterdir()) == []
    assert "TMPDIR" in done.stdout
