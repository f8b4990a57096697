"""LightGBM models in their text form. Scores are what ``Booster.predict`` gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.foreign import FEATURES, SCORES, Native, Source
from mlaas4hep.frameworks.lightgbm.graph import lightgbm_graph
from mlaas4hep.frameworks.trees import cuts_of, tree_native

__all__ = ["MAKER", "WORKER", "load", "to_onnx"]

MAKER: Final = "LightGBM"
WORKER: Final = True


def load(source: Source) -> Native:
    """Load by LightGBM's own parser."""
    import lightgbm

    booster = lightgbm.Booster(model_file=str(source.path))

    def predict(rows: NDArray[np.float32]) -> NDArray[Any]:
        values: NDArray[Any] = np.asarray(booster.predict(rows, num_threads=source.threads))
        return values

    splits = list(_splits(booster.dump_model()))
    cuts = cuts_of(*zip(*splits, strict=True)) if splits else {}
    columns = tuple(booster.feature_name())
    if columns == tuple(f"Column_{number}" for number in range(len(columns))):
        columns = ()  # what LightGBM calls columns that were given no names
    outputs = int(booster.num_model_per_iteration())
    return tree_native("fil", columns, int(booster.num_feature()), outputs, predict, booster, cuts)


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Write its trees as ONNX."""
    import onnx

    onnx.save(lightgbm_graph(native.model.dump_model(), FEATURES, SCORES), target)


def _splits(model: dict[str, Any]) -> Iterator[tuple[int, float]]:
    """Column and value of every split; of a set of categories each."""
    nodes = [tree["tree_structure"] for tree in model["tree_info"]]
    while nodes:
        node = nodes.pop()
        if "split_feature" in node:
            nodes.extend((node["left_child"], node["right_child"]))
            for value in str(node["threshold"]).split("||"):
                yield int(node["split_feature"]), float(value)
