"""A model trained from files is the one trained from memory, bit for bit: same seed, same order of the events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.streaming.dataset.budget import Budget
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.events.part import PartEvents
from tests.support.fitting import MODELS
from tests.support.trained import Small, configured
from tests.support.workflows import fitted, opened
from tests.support.written import model_file

SKLEARN = {
    "SGDClassifier": ('SGDClassifier(loss="modified_huber")', "from sklearn.linear_model import SGDClassifier"),
    "MLPClassifier": ("MLPClassifier((4,))", "from sklearn.neural_network import MLPClassifier"),
    "GaussianNB": ("GaussianNB()", "from sklearn.naive_bayes import GaussianNB"),
}
NETWORKS = ("keras_mlp", "torch_mlp", "torch_train_clf")


def scores_of(workflow: Workflow, folder: Path) -> NDArray[np.float32]:
    with opened(workflow) as files:
        monitor = Collector()
        trained = fitted(workflow, files, folder / "checkpoint", monitor)
        width = trained.choice.layout.model_width
        trained.dataset.close()
    return trained.predict(np.random.default_rng(0).uniform(-1, 1, (500, width)).astype(np.float32))


@pytest.mark.parametrize("name", [*SKLEARN, *NETWORKS])
def test_what_fits_in_memory_does_not_change_the_model(
    name: str, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_file(tmp_path, *SKLEARN[name]) if name in SKLEARN else MODELS / f"{name}.py"
    if name not in SKLEARN:
        pytest.importorskip(name.partition("_")[0])
    training: dict[str, Any] = {"model": str(model), "threads": 1, "batch_size": 32}
    training |= {} if name == "torch_train_clf" else {"epochs": 2}
    workflow = configured(tmp_path, small.paths, training=training, reading={"chunk_size": 60})
    memory = scores_of(workflow, tmp_path)
    monkeypatch.setattr(Budget, "keep", -1)
    monkeypatch.setattr(PartEvents, "fits", lambda _: False)
    assert (scores_of(workflow, tmp_path) == memory).all()
    assert np.ptp(memory) > 0
