"""The same events in any format give the same features, split, weights and targets, bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.streaming.dataset.dataset import Block
from tests.support.every_format import FLAT_ONLY, WRITERS
from tests.support.workflows import read_all

FLAT = st.sampled_from(["float32", "float64", "int32", "int64", "bool"])
JAGGED = st.sampled_from(["float32", "float64", "int32"])


def values(dtype: str, size: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Numbers of a type; a tenth of the floats are missing."""
    if dtype == "bool":
        return rng.integers(0, 2, size).astype(bool)
    if dtype.startswith("int"):
        return rng.integers(-1000, 1000, size).astype(dtype)
    found = np.exp(rng.normal(0, 9, size)).astype(dtype)
    found[rng.random(size) < 0.1] = np.nan
    return found


@st.composite
def samples(draw: st.DrawFn) -> dict[str, Any]:
    """Events with identifiers, a weight, a label and columns of any type, in alphabetical order."""
    size, rng = draw(st.integers(40, 120)), np.random.default_rng(draw(st.integers(0, 1000)))
    flat = {f"f{number}": values(draw(FLAT), size, rng) for number in range(draw(st.integers(1, 3)))}
    lists = {}
    for number in range(draw(st.integers(0, 2))):
        counts = rng.poisson(draw(st.sampled_from([0.3, 2])), size)
        counts[0] += 1
        lists[f"j{number}"] = ak.unflatten(values(draw(JAGGED), int(counts.sum()), rng), counts)
    event = rng.permutation(size).astype(np.int64)
    rest = {"event": event, "luminosityBlock": event // 9, "run": event // 30, "weight": rng.normal(1, 0.1, size)}
    return dict(sorted({**flat, **lists, **rest, "label": event % 2}.items()))


def read(path: Path, flat: list[str]) -> tuple[Any, Block, np.ndarray[Any, Any]]:
    """Layout, all events with their raw features, and transformed features, of the flat columns or of all."""
    workflow = Workflow.model_validate(
        {
            "samples": [{"name": "all", "files": str(path)}],
            "label_branch": "label",
            "weights": {"branch": "weight"},
            "features": {"include": flat, "normalisation": "robust", "mask": True},
            "selection": "weight > 0.9",
            "training": {"model": "model.py"},
            "reading": {"workers": 1},
        }
    )
    layout, block = read_all(workflow)
    return layout, block, layout.transform(block.raw)


@settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
@given(samples())
def test_features_are_those_of_the_root_file(tmp_path_factory: pytest.TempPathFactory, events: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("formats")
    flat = {name: column for name, column in events.items() if isinstance(column, np.ndarray)}
    names = [name for name in flat if name.startswith("f")]
    wanted: dict[bool, Any] = {}
    for ending, write in WRITERS.items():
        only_flat = ending in FLAT_ONLY
        path = folder / f"a.{ending}"
        write(path, flat if only_flat else events)
        found = read(path, names if only_flat else [])
        if ending == "ttree.root":
            wanted = {False: found, True: read(path, names)}
        layout, block, x = wanted[only_flat]
        assert found[0] == layout, ending
        for field in ("raw", "y", "weight", "part", "entry"):
            assert getattr(found[1], field).tobytes() == getattr(block, field).tobytes(), (ending, field)
        assert found[2].tobytes() == x.tobytes(), ending
