"""Model files that import the original's layer for jagged branches: `MLaaS4HEP.jarray.pytorch`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mlaas4hep.bundle.read import load_bundle
from mlaas4hep.frameworks.user_code.original import original_layers
from mlaas4hep.training.backends.torch.backend import TorchBackend
from tests.support.cli import run

if TYPE_CHECKING:
    from tests.cli.conftest import Work

torch = pytest.importorskip("torch")

MODEL = Path(__file__).parents[1] / "models" / "torch_jagged.py"
TOLERANCE = 1e-5


def test_training_and_predictions(work: Work) -> None:
    """ONNX, and the native model that the bundle's own code builds, give the same scores with and without padding."""
    outcome = run(*work.legacy(model=MODEL, epochs=2))
    assert outcome.code == 0, outcome.err
    assert not [name for name in sys.modules if name.startswith("MLaaS4HEP")]
    assert (work.fout / "model.onnx").exists(), outcome.err
    with load_bundle(work.fout) as bundle:
        rows = np.random.default_rng(1).normal(10, 5, (20, len(bundle.layout.columns))).astype(np.float32)
        rows[10:, -1] = np.nan
        scores = bundle.scorer().scores(rows)
        native = bundle.native_scorer(trust_code=True).scores(rows)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, native, atol=TOLERANCE)
    assert len(np.unique(scores[10:])) > 1
    table = work.outputs / "scores.csv"
    done = run("predict", work.fout, work.inputs / "sig.root", "-o", table)
    assert done.code == 0, done.err
    with table.open() as file:
        assert len(list(csv.reader(file))) > 2


def test_padding_contributes_nothing() -> None:
    with original_layers():
        from MLaaS4HEP.jarray.pytorch import JaggedArrayLinear  # type: ignore[import-not-found]
    layer = JaggedArrayLinear(4, 3, verbose=1)
    x = torch.tensor([[1.0, float("nan"), 2.0, float("nan")]])
    weight, bias = layer.weight.detach(), layer.bias.detach()
    expected = weight[:, 0] + 2 * weight[:, 2] + bias
    np.testing.assert_allclose(layer(x).detach().numpy()[0], expected.numpy(), rtol=TOLERANCE)


def test_padding_stays_nan_only_where_the_layer_is_the_first() -> None:
    """Behind another layer one NaN would hide all columns: such a network gets numbers, as any other."""
    with original_layers():
        from MLaaS4HEP.jarray.pytorch import JaggedArrayLinear
    layer, linear = JaggedArrayLinear(4, 4), torch.nn.Linear(4, 4)
    takes_missing = TorchBackend().takes_missing
    assert takes_missing(torch.nn.Sequential(layer, torch.nn.ReLU(), linear))
    assert not takes_missing(torch.nn.Sequential(linear, layer))
    assert not takes_missing(torch.nn.Sequential(torch.nn.Linear(7, 4), layer))
    assert not takes_missing(linear)


def test_only_the_layer_is_there_and_only_meanwhile() -> None:
    with original_layers(), pytest.raises(ImportError, match="cannot import name 'Other'"):
        from MLaaS4HEP.jarray.pytorch import Other  # noqa: F401
    assert "MLaaS4HEP" not in sys.modules
