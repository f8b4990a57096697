"""Boosting rounds: on arrays or through external memory, watched for progress, checkpoints and early stopping."""

from __future__ import annotations

import gc
import math
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from mlaas4hep.errors import ModelFileError
from mlaas4hep.streaming.process_memory import give_back
from mlaas4hep.training.backends.base import FitSettings, History
from mlaas4hep.training.backends.files import check_room
from mlaas4hep.training.backends.loop import Progression, read_checkpoint, write_checkpoint
from mlaas4hep.training.backends.xgboost.memory import check_streamed, fits_in_arrays, page_rows, room_on_disk
from mlaas4hep.training.events.base import Arrays, Events
from mlaas4hep.training.user_code.user_model import user_errors

__all__ = ["fit"]

_LOSSES = ("logloss", "mlogloss", "rmse", "error", "merror", "mae")
_RISING = ("auc", "aucpr", "map", "ndcg", "pre")
_DRAWS = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")


def fit(model: Any, train: Events, validation: Events, settings: FitSettings) -> History:
    """Train the model in place, as described in `XGBoostBackend.fit`."""
    rounds = model.get_num_boosting_rounds()
    if model.early_stopping_rounds and not validation.size:
        raise ModelFileError(
            f"{type(model).__name__}(early_stopping_rounds={model.early_stopping_rounds}) needs validation events, "
            "and there are none",
            hint="set split.validation above 0, or leave early_stopping_rounds out",
        )
    identity: dict[str, object] = {
        "columns": train.width,
        "events": train.size,
        "seed": settings.seed,
        "parameters": str(sorted((k, str(v)) for k, v in model.get_params().items() if k != "n_estimators")),
    }
    progression = Progression(identity=identity)
    booster = None
    if settings.resume and (found := read_checkpoint(settings, identity)):
        if _repeatable(model):
            progression, parts = found
            booster = xgboost.Booster(model_file=bytearray(parts["state"]))
        else:
            settings.alert(f"{type(model).__name__} draws at random, so it starts again instead of resuming")
    patience = settings.early_stopping if validation.size and model.early_stopping_rounds is None else None
    if settings.early_stopping and not validation.size:
        settings.warn("early stopping needs validation events, and there are none: all rounds are trained")
    watch = _Watch(settings, progression, rounds, train.size, patience)
    left = 0 if progression.stopped else rounds - progression.done
    with user_errors(settings.file, f"{type(model).__name__} cannot be trained"):
        if booster is not None and left <= 0:
            model.load_model(bytearray(booster.save_raw("ubj")))
        elif model.booster == "gblinear" or fits_in_arrays(model, train, validation, settings):
            _fit_arrays(model, train, validation, watch, left, booster)
        else:
            _fit_external(model, train, validation, watch, left, booster, settings)
    if progression.best_at and patience:
        model.get_booster().set_attr(best_iteration=str(progression.best_at - 1), best_score=str(progression.best))
    history = progression.history()
    history.stopped_early = history.epochs < rounds
    return history


def _repeatable(model: Any) -> bool:
    """True if continuing gives the same trees as training without interruption."""
    drawn = any(getattr(model, name, None) not in (None, 1, 1.0) for name in _DRAWS)
    return not drawn and model.booster != "dart" and model.early_stopping_rounds is None


def _fit_arrays(model: Any, train: Events, validation: Events, watch: _Watch, left: int, booster: Any) -> None:
    data = train.load()
    sets = [data]
    if validation.size:
        sets.append(validation.load())
    weighted = train.weighted or validation.weighted
    _call_fit(
        model,
        watch,
        left,
        booster,
        data.x,
        data.y,
        sample_weight=data.weight if train.weighted else None,
        eval_set=[(part.x, part.y) for part in sets],
        sample_weight_eval_set=[part.weight for part in sets] if weighted else None,
    )


def _call_fit(model: Any, watch: _Watch, left: int, booster: Any, x: Any, y: Any, **options: Any) -> None:
    """The model's own ``fit``, for the rounds that are left, watched."""
    # Attributes, not set_params: on a trained model that would also change the booster.
    before = {"callbacks": model.callbacks, "n_estimators": model.n_estimators}
    forest = type(model).__name__.startswith("XGBRF")  # one round of many trees, takes no callbacks
    if not forest:
        model.callbacks = [*(model.callbacks or []), watch]
        model.n_estimators = left
    try:
        model.fit(x, y, verbose=False, xgb_model=booster, **options)
    finally:
        for key, value in before.items():
            setattr(model, key, value)
    if forest:
        watch.after_iteration(model.get_booster(), 0, model.evals_result())


def _fit_external(
    model: Any, train: Events, validation: Events, watch: _Watch, left: int, booster: Any, settings: FitSettings
) -> None:
    """The model's own ``fit`` on matrices in external memory, so that every parameter means what it means in memory.

    What `fit` is given are a few rows of zeros that hold each class; in place of a matrix made of them it gets ours.
    """
    if model.tree_method == "exact":
        raise ModelFileError(
            "tree_method='exact' needs all events in memory, and they do not fit",
            hint="use tree_method='hist' or 'approx', or raise memory_limit",
        )
    check_streamed(model, train, validation, settings)
    rows = np.zeros((max(settings.classes, 2), train.width), np.float32)
    labels = np.arange(len(rows)).astype(np.float32 if settings.task == "regression" else np.int64)
    sets = [(rows, labels)]
    if validation.size:
        sets.append((rows.copy(), labels.copy()))
    with tempfile.TemporaryDirectory(prefix="mlaas4hep-xgboost-") as folder:
        # On a full disk XGBoost ends the whole process.
        check_room(Path(folder), room_on_disk(model, train, validation), "XGBoost's external memory")

        def create(ref: Any, **options: Any) -> Any:
            name = "train" if ref is None else "validation"
            chunks = _Chunks(
                train if ref is None else validation, f"{folder}/{name}", feature_types=options["feature_types"]
            )
            common = {"missing": options["missing"], "enable_categorical": options["enable_categorical"]}
            common["nthread"] = model.n_jobs
            matrix: Any
            if model.tree_method == "approx":
                matrix = xgboost.DMatrix(chunks, **common)
            else:
                bins = int(model.max_bin or 256)
                matrix = xgboost.ExtMemQuantileDMatrix(chunks, ref=ref, max_bin=bins, **common)
            if options.get("feature_weights") is not None:
                matrix.set_info(feature_weights=options["feature_weights"])
            give_back()  # what reading took is for the rounds
            return matrix

        try:
            model._create_dmatrix = create
            _call_fit(model, watch, left, booster, rows, labels, eval_set=sets)
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)
            raise
        finally:
            del model._create_dmatrix
            gc.collect()
        objective = model.objective
        model.load_model(bytearray(model.get_booster().save_raw("ubj")))  # frees the matrices, which hold files open
        model.objective = objective
        gc.collect()


class _Chunks(xgboost.DataIter):
    """Events as XGBoost's external memory asks for them, kept in a file on disk."""

    def __init__(self, events: Events, cache: str, **options: Any) -> None:
        self._events = events
        self._options = options
        self._left: Iterator[Arrays] = iter(())
        super().__init__(cache_prefix=cache)

    def next(self, input_data: Any) -> bool:
        """Hand over the next chunk; false at the end."""
        chunk = next(self._left, None)
        if chunk is None:
            return False
        input_data(data=chunk.x, label=chunk.y, weight=chunk.weight if self._events.weighted else None, **self._options)
        return True

    def reset(self) -> None:
        """Begin again."""
        rows = page_rows(self._events.width)
        self._left = self._events.chunks(0) if rows is None else self._events.batches(rows)


class _Watch(xgboost.callback.TrainingCallback):
    """After each round: progress, checkpoint, early stopping on the last metric of the validation events."""

    def __init__(
        self, settings: FitSettings, progression: Progression, rounds: int, events: int, patience: int | None
    ) -> None:
        super().__init__()
        self._settings = settings
        self._progression = progression
        self._rounds = rounds
        self._events = events
        self._patience = patience

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """Return true to stop."""
        figures: dict[str, float] = {}
        metric, last = "", math.nan
        for part, prefix in (("validation_0", ""), ("validation_1", "val_")):
            for metric, values in evals_log.get(part, {}).items():
                last = float(values[-1][0] if isinstance(values[-1], tuple) else values[-1])
                figures[f"{prefix}{metric}"] = last
                if metric == next(iter(evals_log[part])) and metric in _LOSSES:
                    figures[f"{prefix}loss"] = figures.pop(f"{prefix}{metric}")
        progression = self._progression
        # `Progression` looks for the smallest val_loss: for metrics that rise it is given their negative.
        judged = -last if metric.startswith(_RISING) else last
        better = judged < progression.best
        progression.add({name: value for name, value in figures.items() if name != "val_loss"})
        if "val_loss" in figures:
            progression.curves.setdefault("val_loss", []).append(figures["val_loss"])
        if better:
            progression.best, progression.best_at = judged, progression.done
        progression.stopped = self._patience is not None and progression.done - progression.best_at >= self._patience
        self._settings.progress(progression.done - 1, self._events, figures)
        if (
            progression.stopped
            or progression.done % max(1, self._rounds // 20) == 0
            or progression.done == self._rounds
        ):
            write_checkpoint(self._settings.checkpoint, progression, {"state": bytes(model.save_raw("ubj"))})
        return progression.stopped
