"""TorchScript and torch.export without anything beside them, against torch called directly."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.foreign_models import close, convert, opened
from tests.support.worker_models import Bessel, bessel, script

pytestmark = pytest.mark.filterwarnings("ignore")
X = np.random.default_rng(2).normal(size=(40, 4)).astype(np.float32)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(4, 8)
        self.second = torch.nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.second(torch.relu(self.first(x))), 1)


def test_the_shape_of_rows_is_found(tmp_path: Path) -> None:
    net = Net().eval()
    served = convert(script(net, tmp_path / "m.pt"), tmp_path / "1", {"labels": ["bkg", "sig"]})
    assert (served["runtime"], served["batched"]) == ("onnx", True)
    with opened(tmp_path / "1") as runtime:
        assert [(spec.name, spec.shape) for spec in (*runtime.inputs, *runtime.outputs)] == [
            ("x", (-1, 4)),
            ("output", (-1, 2)),
        ]
        assert runtime.outputs[0].columns == ("bkg", "sig")
        assert close(runtime.run({"x": X}, timeout=60)["output"], net(torch.from_numpy(X)).detach().numpy())


def test_torch_export(tmp_path: Path) -> None:
    net = Net().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net, (torch.rand(3, 4),), dynamic_shapes={"x": {0: torch.export.Dim("N")}})
        torch.export.save(program, tmp_path / "m.pt2")
    served = convert(tmp_path / "m.pt2", tmp_path / "1")
    assert (served["runtime"], served["kind"], served["batched"]) == ("onnx", "torch_export", True)
    with opened(tmp_path / "1") as runtime:
        assert runtime.inputs[0].shape == (-1, 4)
        assert close(runtime.run({"x": X}, timeout=60)["output"], net(torch.from_numpy(X)).detach().numpy())


def test_what_has_no_onnx_form_is_served_by_a_worker(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "1"
    script(Bessel(), folder / "model.pt")
    config = """
    name: "bessel" max_batch_size: 64
    input { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3 ] }
    output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 3 ] }
    """
    (tmp_path / "in" / "config.pbtxt").write_text(config)
    served = convert(tmp_path / "in", tmp_path / "1")
    assert served["runtime"] == "worker"
    assert "cannot be converted to ONNX" in served["reason"]
    assert served["max_batch_size"] == 64
    assert not (tmp_path / "1" / "model.onnx").exists()
    with opened(tmp_path / "1") as runtime:
        assert (runtime.platform, runtime.batched) == ("pytorch_libtorch", True)
        given = runtime.run({"INPUT__0": X[:, :3]}, timeout=60)["OUTPUT__0"]
        assert np.allclose(given, bessel(X[:, :3]), atol=1e-5)
