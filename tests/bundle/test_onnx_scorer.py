from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from mlaas4hep.bundle.onnx_graph import compose, to_bytes
from mlaas4hep.errors import BundleError
from mlaas4hep.features.layout import Layout
from mlaas4hep.frameworks.onnx.scoring import OnnxScorer

Identity = Callable[..., onnx.ModelProto]


@pytest.mark.parametrize("events", [0, 1, 6, 7, 20])
def test_batches_do_not_change_the_scores(identity: Identity, layout: Layout, events: int) -> None:
    raw = np.random.default_rng(0).normal(size=(events, 3)).astype(np.float32)
    scorer = OnnxScorer(to_bytes(compose(identity(3), layout)), batch=6)
    scores = scorer.scores(raw)
    np.testing.assert_array_equal(scores, layout.transform(raw))
    assert scores.dtype == np.float32
    assert scores.shape == (events, 3)


def test_other_memory_layouts_and_types_are_taken(identity: Identity, layout: Layout) -> None:
    raw = np.asfortranarray(np.arange(12.0).reshape(4, 3))
    scores = OnnxScorer(to_bytes(compose(identity(3), layout))).scores(raw)
    np.testing.assert_array_equal(scores, layout.transform(raw.astype(np.float32)))


def test_another_number_of_columns_is_refused(identity: Identity, layout: Layout) -> None:
    scorer = OnnxScorer(to_bytes(compose(identity(3), layout)))
    with pytest.raises(BundleError, match=r"the model takes rows of 3 columns, but the shape given is \[2, 4\]"):
        scorer.scores(np.zeros((2, 4), dtype=np.float32))
    with pytest.raises(BundleError, match=r"the shape given is \[3\]"):
        scorer.scores(np.zeros(3, dtype=np.float32))


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BundleError, match=r"model.onnx: ONNX Runtime cannot load the model"):
        OnnxScorer(tmp_path / "model.onnx")
