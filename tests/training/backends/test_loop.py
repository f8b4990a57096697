from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.backends.loop import run_passes
from mlaas4hep.training.backends.passes import Pass
from tests.support.fitting import Interrupted, fit_settings, interrupted_after, train_and_validation


@dataclass
class Counter:
    """A learner whose state is the number of passes, and whose validation losses are given."""

    losses: list[float]
    done: int = 0
    learnt: list[int] = field(default_factory=list)

    def learn(self, part: Pass) -> dict[str, float]:
        self.learnt.append(part.number)
        self.done += 1
        return {"loss": 1.0 / self.done}

    def validate(self) -> dict[str, float]:
        return {"loss": self.losses[self.done - 1]}

    def state(self) -> bytes:
        return json.dumps(self.done).encode()

    def restore(self, state: bytes) -> None:
        self.done = json.loads(state)


def test_curves(tmp_path: Path) -> None:
    history = run_passes(Counter([3.0, 2.0, 1.0]), *train_and_validation(), fit_settings(tmp_path, epochs=3))
    assert history.curves == {"loss": [1.0, 0.5, 1 / 3], "val_loss": [3.0, 2.0, 1.0]}
    assert history.epochs == 3
    assert not history.stopped_early


def test_early_stopping_restores_the_best_state(tmp_path: Path) -> None:
    counter = Counter([3.0, 1.0, 2.0, float("nan"), 0.5])
    warnings: list[str] = []
    settings = fit_settings(tmp_path, epochs=5, early_stopping=2, warn=warnings.append)
    history = run_passes(counter, *train_and_validation(), settings)
    assert (history.epochs, history.stopped_early, counter.done) == (4, True, 2)
    assert warnings == ["val_loss is nan in epoch 4: a smaller learning rate may help"]


def test_early_stopping_of_a_chunk_goes_on_with_the_next_chunk(tmp_path: Path) -> None:
    # Three chunks of 400 events and up to 5 passes over each. The first and the second stop after two passes
    # without a better loss than the best of that chunk; the best of all is the second pass of the third.
    losses = [0.9, 1.0, 1.1, 0.8, 0.7, 0.75, 0.71, 0.6, 0.5, 0.55, 0.51]
    settings = fit_settings(tmp_path, epochs=5, early_stopping=2, order="chunk")
    train, validation = train_and_validation()
    train.chunk_size = 400
    counter = Counter(losses)
    history = run_passes(counter, train, validation, settings)
    assert counter.learnt == [0, 1, 2, 5, 6, 7, 8, 10, 11, 12, 13]
    assert history.stopped_early
    assert history.curves["val_loss"] == losses
    assert counter.done == losses.index(min(losses)) + 1
    for interruption in (0, 2, 5, 8):
        again = Counter(losses)
        place = replace(settings, checkpoint=tmp_path / str(interruption))
        calls = 0

        def progress(_number: int, _done: int, _figures: dict[str, float], last: int = interruption) -> None:
            nonlocal calls
            calls += 1
            if calls == last + 2:
                raise Interrupted

        with pytest.raises(Interrupted):
            run_passes(again, train, validation, replace(place, progress=progress))
        resumed = Counter(losses)
        assert run_passes(resumed, train, validation, replace(place, resume=True)) == history
        assert resumed.done == counter.done


def test_without_early_stopping_the_last_state_stays(tmp_path: Path) -> None:
    counter = Counter([1.0, 2.0, 3.0])
    run_passes(counter, *train_and_validation(), fit_settings(tmp_path, epochs=3))
    assert counter.done == 3


def test_early_stopping_without_validation_events(tmp_path: Path) -> None:
    train, validation = train_and_validation()
    validation.data = type(validation.data)(validation.data.x[:0], validation.data.y[:0], validation.data.weight[:0])
    warnings: list[str] = []
    settings = fit_settings(tmp_path, epochs=2, early_stopping=1, warn=warnings.append)
    assert run_passes(Counter([1.0, 2.0]), train, validation, settings).epochs == 2
    assert "early stopping needs validation events" in warnings[0]


def test_resuming_continues_where_it_was(tmp_path: Path) -> None:
    data = train_and_validation()
    losses = [4.0, 3.0, 3.5, 2.0, 2.5, 2.6, 1.0]
    settings = fit_settings(tmp_path, epochs=7, early_stopping=2)
    whole = run_passes(Counter(losses), *data, replace(settings, checkpoint=tmp_path / "other"))
    with interrupted_after(2) as changes:
        run_passes(Counter(losses), *data, replace(settings, **changes))
    counter = Counter(losses)
    history = run_passes(counter, *data, replace(settings, resume=True))
    assert counter.learnt[0] in (3, 4)
    assert history == whole
    assert counter.done == 4
    again = Counter(losses)
    assert run_passes(again, *data, replace(settings, resume=True)) == whole
    assert (again.learnt, again.done) == ([], 4)


def test_more_epochs_can_be_added(tmp_path: Path) -> None:
    data = train_and_validation()
    losses = [4.0, 3.0, 2.0, 1.0]
    run_passes(Counter(losses), *data, fit_settings(tmp_path, epochs=2))
    counter = Counter(losses)
    run_passes(counter, *data, fit_settings(tmp_path, epochs=4, resume=True))
    assert counter.learnt == [2, 3]


def test_resuming_without_a_checkpoint_begins(tmp_path: Path) -> None:
    counter = Counter([1.0])
    run_passes(counter, *train_and_validation(), fit_settings(tmp_path, epochs=1, resume=True))
    assert counter.learnt == [0]


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    data = train_and_validation()
    run_passes(Counter([1.0]), *data, fit_settings(tmp_path, epochs=1))
    with pytest.raises(ModelFileError, match=r"checkpoint was made with seed 3, now it is 4; train without resuming"):
        run_passes(Counter([1.0]), *data, fit_settings(tmp_path, epochs=1, resume=True, seed=4))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    settings = fit_settings(tmp_path, epochs=1, resume=True)
    settings.checkpoint.mkdir()
    (settings.checkpoint / "checkpoint.zip").write_bytes(b"half a file")
    with pytest.raises(ModelFileError, match=r"checkpoint.zip: the checkpoint is damaged"):
        run_passes(Counter([1.0]), *train_and_validation(), settings)


def test_nothing_unfinished_is_left_beside_the_checkpoint(tmp_path: Path) -> None:
    settings = fit_settings(tmp_path, epochs=2)
    run_passes(Counter([1.0, 2.0]), *train_and_validation(), settings)
    assert [path.name for path in settings.checkpoint.iterdir()] == ["checkpoint.zip"]


def test_interruptions_are_not_swallowed(tmp_path: Path) -> None:
    def progress(_epoch: int, _done: int, _figures: dict[str, float]) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        run_passes(Counter([1.0]), *train_and_validation(), fit_settings(tmp_path, epochs=1, progress=progress))
