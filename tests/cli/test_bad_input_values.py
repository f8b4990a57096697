"""Bad values are not errors: NaN and infinite ones are counted and treated as missing, an empty feature is left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cli.conftest import MODELS
from tests.support.cli import Outcome, run
from tests.support.samples import columns

if TYPE_CHECKING:
    from tests.cli.conftest import Work

EVENTS = len(columns(signal=True)["event"])


def holes(work: Work) -> dict[str, dict[str, NDArray[Any]]]:
    """Write both files with NaN in MET_pt, infinities in mass, both in Jet_pt, and a branch of nothing but NaN."""
    written = {}
    for name in ("sig", "bkg"):
        branches = columns(signal=name == "sig")
        branches["MET_pt"][3::7] = np.nan
        branches["mass"][::11] = np.inf
        branches["mass"][5::50] = -np.inf
        jets = ak.to_numpy(ak.flatten(branches["Jet_pt"])).copy()
        jets[::13], jets[1::17] = np.nan, np.inf
        branches["Jet_pt"] = ak.unflatten(jets, ak.num(branches["Jet_pt"]))
        branches["dead"] = np.full(EVENTS, np.nan, dtype=np.float32)
        work.data(f"{name}.root", **branches)
        written[name] = branches
    return written


def expected(written: dict[str, dict[str, Any]], training: dict[str, NDArray[np.bool_]]) -> set[str]:
    """The warnings, by hand from what was written and which events are for training."""
    count = {}
    for name in ("MET_pt", "mass", "Jet_pt"):
        values = np.concatenate(
            [np.ravel(ak.to_numpy(ak.flatten(written[f][name][training[f]], axis=None))) for f in ("sig", "bkg")]
        )
        count[name] = int(np.isnan(values).sum()), int(np.isinf(values).sum()), len(values)
    missing = [f"{name} ({count[name][0]} of {count[name][2]})" for name in ("MET_pt", "Jet_pt")]
    return {
        f"missing values in training: {', '.join(missing)}",
        f"infinite values in training, treated as missing: mass ({count['mass'][1]}), Jet_pt ({count['Jet_pt'][1]})",
        "missing in every training event, so left out of the features: dead",
    }


def train(work: Work, model: str) -> tuple[Outcome, dict[str, Any], dict[str, NDArray[np.bool_]]]:
    """Train; the outcome, the manifest, and which events were for training."""
    from pyarrow import parquet

    split = work.outputs / "split.parquet"
    arguments = work.yaml(training={"model": str(MODELS / model)}, features={"exclude": ["weight"]})
    outcome = run(*arguments, "--split-out", split)
    assert outcome.code == 0, outcome.err
    manifest = json.loads((work.fout / "manifest.json").read_text())
    table = parquet.read_table(split).to_pydict()
    training = {name: np.zeros(EVENTS, dtype=np.bool_) for name in ("sig", "bkg")}
    for file, entry, part in zip(table["file"], table["entry"], table["part"], strict=True):
        training[("sig", "bkg")[file]][entry] = part == 0
    return outcome, manifest, training


@pytest.mark.parametrize("model", ["hist_gradient_boosting.py", "logistic_regression.py"])
def test_nan_and_infinite_values(work: Work, model: str) -> None:
    """The first model takes NaN, the second an imputed value; the one dies of a column of NaN if it is not left out."""
    written = holes(work)
    outcome, manifest, training = train(work, model)
    assert set(outcome.warnings) >= expected(written, training)
    assert len(set(outcome.warnings)) == len(outcome.warnings)
    assert {"name": "dead", "reason": "missing in every training event"} in manifest["left_out"]
    assert not any(name.startswith("dead") for name in manifest["features"]["columns"])
    assert set(outcome.warnings) == set(manifest["warnings"])
    metrics = json.loads((work.fout / "metrics.json").read_text())
    assert metrics["parts"]["test"]["unweighted"]["auc"] > 0.7


def test_nothing_but_missing_values(work: Work) -> None:
    for name in ("sig", "bkg"):
        work.data(f"{name}.root", signal=name == "sig", mass=np.full(EVENTS, np.nan, dtype=np.float32))
    arguments = work.yaml(features={"include": ["mass"]})
    work.refused(*arguments, says=["every feature is missing in every training event", "mlaas4hep specs"], only=False)


def test_specs_count_them(work: Work) -> None:
    written = holes(work)
    outcome = run("specs", work.inputs / "sig.root", "--json", "--quiet")
    branches = json.loads(outcome.out)["branches"]
    for name in ("MET_pt", "mass", "Jet_pt"):
        values = np.ravel(ak.to_numpy(ak.flatten(written["sig"][name], axis=None)))
        assert branches[name]["missing"] == np.isnan(values).sum()
        assert branches[name]["infinite"] == np.isinf(values).sum()
        finite = values[np.isfinite(values)]
        assert (branches[name]["min"], branches[name]["max"]) == (finite.min(), finite.max())
