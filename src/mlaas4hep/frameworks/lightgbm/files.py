"""LightGBM models in their text form. Scores are what ``Booster.predict`` gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.lightgbm import MODEL_FILE
from mlaas4hep.frameworks.lightgbm.graph import lightgbm_graph
from mlaas4hep.frameworks.scorer import Loading, Predict
from mlaas4hep.frameworks.tensors import FEATURES, SCORES
from mlaas4hep.frameworks.trees import cuts_of, tree_native

__all__ = ["load", "load_native", "to_onnx"]


def load(source: Source) -> Native:
    """Load by LightGBM's own parser."""
    booster, predict = _open(source.path, source.threads)
    splits = list(_splits(booster.dump_model()))
    cuts = cuts_of(*zip(*splits, strict=True)) if splits else {}
    columns = tuple(booster.feature_name())
    if columns == tuple(f"Column_{number}" for number in range(len(columns))):
        columns = ()  # what LightGBM calls columns that were given no names
    outputs = int(booster.num_model_per_iteration())
    return tree_native("fil", columns, int(booster.num_feature()), outputs, predict, booster, cuts)


def load_native(folder: Path, loading: Loading) -> tuple[Predict, str]:
    """Load a bundle's booster; its objective, written in the file, says what it gives."""
    return _open(folder / MODEL_FILE, loading.threads)[1], "probability"


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Write its trees as ONNX."""
    import onnx

    onnx.save(lightgbm_graph(native.model.dump_model(), FEATURES, SCORES), target)


def _open(path: Path, threads: int | None) -> tuple[Any, Predict]:
    import lightgbm

    booster = lightgbm.Booster(model_file=str(path))
    options: dict[str, Any] = {} if threads is None else {"num_threads": threads}

    def predict(rows: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(booster.predict(rows, **options))

    return booster, predict


def _splits(model: dict[str, Any]) -> Iterator[tuple[int, float]]:
    """Column and value of every split; of a set of categories each."""
    nodes = [tree["tree_structure"] for tree in model["tree_info"]]
    while nodes:
        node = nodes.pop()
        if "split_feature" in node:
            nodes.extend((node["left_child"], node["right_child"]))
            for value in str(node["threshold"]).split("||"):
                yield int(node["split_feature"]), float(value)
