"""What is served: TFaaS's benchmark network for 42 values, plain and behind the layout of a bundle."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlaas4hep.bundle import BundleContents, FeatureColumns, Input, Manifest, Output, Parity, write_bundle
from mlaas4hep.bundle.onnx_graph import compose, to_bytes
from mlaas4hep.features.layout import FeatureBranch, Layout
from mlaas4hep.features.preprocess import Preprocessing

__all__ = ["FLAT", "JAGGED", "LENGTH", "WIDTHS", "network", "repository"]

WIDTHS = (42, 128, 128, 128, 64, 64, 1, 1)
LENGTH = 4
FLAT = ("MET_pt", "MET_phi", *(f"flat_{index}" for index in range(8)))
JAGGED = tuple(f"{thing}_{what}" for thing in ("Jet", "Lepton") for what in ("pt", "eta", "phi", "mass"))
VARIABLES = (
    {
        "variable": "mT",
        "expression": "sqrt(2 * Lepton_pt[0] * MET_pt * (1 - cos(Lepton_phi[0] - MET_phi)))",
        "kind": "flat",
    },
    {
        "variable": "dR",
        "expression": "hypot(Lepton_eta[0] - Jet_eta[0], "
        "arctan2(sin(Lepton_phi[0] - Jet_phi[0]), cos(Lepton_phi[0] - Jet_phi[0])))",
        "kind": "flat",
    },
)


def network() -> onnx.ModelProto:
    """``features`` FP32 [N, 42] -> ``scores`` [N, 1]: dense layers with ReLU, a sigmoid at the end; random weights."""
    rng = np.random.default_rng(1)
    nodes, weights = [], []
    name = "features"
    for index, (before, after) in enumerate(pairwise(WIDTHS)):
        matrix = rng.normal(0, (2 / before) ** 0.5, (before, after)).astype(np.float32)
        weights += [
            numpy_helper.from_array(matrix, f"w{index}"),
            numpy_helper.from_array(np.full(after, 0.1, np.float32), f"b{index}"),
        ]
        last = index == len(WIDTHS) - 2
        nodes += [
            helper.make_node("Gemm", [name, f"w{index}", f"b{index}"], [f"dense{index}"]),
            helper.make_node("Sigmoid" if last else "Relu", [f"dense{index}"], ["scores" if last else f"h{index}"]),
        ]
        name = f"h{index}"
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", WIDTHS[0]])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 1])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def repository(folder: Path) -> Path:
    """A repository with the models ``network`` (plain ONNX), ``events`` (bundle) and ``variables`` (bundle).

    The bundles' events have 10 flat and 8 jagged branches, padded to 4 values each; in ``variables`` two flat
    features are computed from others.
    """
    plain = folder / "network" / "1" / "model.onnx"
    plain.parent.mkdir(parents=True)
    plain.write_bytes(network().SerializeToString())
    _bundle(folder / "events" / "1", FLAT, ())
    _bundle(folder / "variables" / "1", (*FLAT[:-2], "mT", "dR"), VARIABLES)
    return folder


def _bundle(path: Path, flat: tuple[str, ...], variables: tuple[dict[str, str], ...]) -> None:
    branches = [FeatureBranch(name, "flat", 1, 0.0, 1 / 50, -50.0, -100.0) for name in flat]
    branches += [FeatureBranch(name, "jagged", LENGTH, 0.0, 1 / 50, -50.0, -100.0) for name in JAGGED]
    layout = Layout(tuple(branches), missing=(-999.0,))
    computed = {entry["variable"] for entry in variables}
    manifest = Manifest(
        name=path.parent.name,
        created="2026-01-02T03:04:05Z",
        framework="torch",
        task="binary",
        classes=("background", "signal"),
        signal="signal",
        tree="Events",
        identifier=("run", "event"),
        inputs=tuple(
            Input(name=branch.name, kind=branch.kind, length=branch.length, dtype="float32")
            for branch in branches
            if branch.name not in computed
        ),
        features=FeatureColumns.of(layout),
        outputs=(Output(shape=(1,), meaning=("score of signal",)),),
        parity=Parity(rows=1, max_abs_difference=0.0, tolerance=1e-4, agreed=True),
    )
    steps = list(variables)
    Preprocessing.from_json(steps)
    write_bundle(path, BundleContents(manifest, to_bytes(compose(network(), layout)), None, {}, {"steps": steps}))
