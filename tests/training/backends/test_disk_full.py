"""A disk that is full during a training: the place is named, not the model."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import SGDClassifier

from mlaas4hep.errors import OutputError
from mlaas4hep.training.backends import backend_for
from tests.support.disks import small_disk
from tests.support.events import MemoryEvents, make_sample
from tests.support.fitting import fit_settings, train_and_validation


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file may grow beyond this size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_that_cannot_be_written_names_its_place(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    models: list[Any] = [SGDClassifier(), xgboost.XGBClassifier(n_estimators=4)]
    for model in models:
        settings = replace(fit_settings(tmp_path, epochs=2), checkpoint=tmp_path / type(model).__name__)
        with files_of_at_most(100), pytest.raises(OutputError) as caught:
            backend_for(model).fit(model, *train_and_validation(), settings)
        assert caught.value.where == str(settings.checkpoint / "checkpoint.zip")
        assert list(settings.checkpoint.iterdir()) == []


def test_external_memory_without_room_names_the_folder_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xgboost = pytest.importorskip("xgboost")
    train = MemoryEvents(make_sample(20_000), limited=True, chunk_size=2000)
    validation = MemoryEvents(make_sample(400, seed=2), limited=True)

    def refused(place: Path) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        model = xgboost.XGBClassifier(n_estimators=4)
        with pytest.raises(OutputError) as caught:
            backend_for(model).fit(model, train, validation, fit_settings(tmp_path))
        assert str(caught.value.where).startswith(str(place / "mlaas4hep-xgboost-"))
        assert list(place.iterdir()) == []

    limited = tmp_path / "limited"
    limited.mkdir()
    with files_of_at_most(20_000):
        refused(limited)
    with small_disk(tmp_path / "small", "60k") as small:
        refused(small)
