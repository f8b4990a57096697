"""TorchScript and torch.export without anything beside them, against torch called directly."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlaas4hep.errors.serving import ModelRefusedError
from tests.support.foreign_models import close, convert, convert_here, opened
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


class Many(torch.nn.Module):
    """Any function of its layers and inputs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.linear, self.embedding = torch.nn.Linear(4, 3), torch.nn.Embedding(10, 4)
        self.register_buffer("mean", torch.rand(4))
        self.function = function


class OnX(Many):
    def forward(self, x: Any) -> Any:
        return self.function(self, x)


class OnTwo(Many):
    def forward(self, x: Any, y: Any) -> Any:
        return self.function(self, x, y)


N = torch.export.Dim("N")
A, B = torch.rand(6, 4), torch.rand(6, 4)
PROGRAMS: dict[str, tuple[torch.nn.Module, tuple[Any, ...], Any]] = {
    "two inputs of one batch": (OnTwo(lambda s, x, y: s.linear(x) + s.linear(y)), (A, B), {"x": {0: N}, "y": {0: N}}),
    "layers without names": (
        torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3)), (A,), {"input": {0: N}},
    ),
    "a dict": (
        OnX(lambda s, x: s.linear(x["a"]) * s.linear(x["b"])), ({"a": A, "b": B},), {"x": {"a": {0: N}, "b": {0: N}}},
    ),
    "a tuple": (OnX(lambda s, x: s.linear(x[0]) * s.linear(x[1])), ((A, B),), {"x": ({0: N}, {0: N})}),
    "at most so many": (OnX(lambda s, x: s.linear(x)), (A,), {"x": {0: torch.export.Dim("M", min=2, max=64)}}),
    "a length of at most 20": (
        OnX(lambda s, x: s.embedding(x).mean(1)),
        (torch.randint(0, 10, (6, 5)),),
        {"x": {0: N, 1: torch.export.Dim("L", min=2, max=20)}},
    ),
    "several outputs": (OnX(lambda s, x: (s.linear(x), {"sum": x.sum(1)})), (A,), {"x": {0: N}}),
    "integers": (OnX(lambda s, x: s.linear(s.embedding(x))), (torch.randint(0, 10, (6,)),), {"x": {0: N}}),
    "a buffer": (OnX(lambda s, x: s.linear(x - s.mean)), (A,), {"x": {0: N}}),
    "a batch of one size": (OnX(lambda s, x: s.linear(x)), (A,), None),
    "a number": (OnTwo(lambda s, x, y: s.linear(x) * y), (A, 3), {"x": {0: N}, "y": None}),
    "a condition": (
        OnX(lambda _, x: torch.cond(x.sum() > 3, lambda x: x * 2, lambda x: x - 1, (x,))), (A,), {"x": {0: N}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_of_torch_export(tmp_path: Path, name: str) -> None:
    model, arguments, shapes = PROGRAMS[name]
    program = torch.export.export(model.eval(), arguments, dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "m.pt2")
    served = convert_here(tmp_path / "m.pt2", tmp_path / "1")
    assert (served["runtime"], served["reason"]) == ("onnx", "")
    assert served["batched"] == (name != "a condition")
    with torch.inference_mode(), opened(tmp_path / "1") as runtime:
        assert all(spec.shape[0] == -1 for spec in runtime.inputs)
        flat = [t for t in torch.utils._pytree.tree_leaves(arguments) if isinstance(t, torch.Tensor)]
        given = {spec.name: tensor.numpy() for spec, tensor in zip(runtime.inputs, flat, strict=True)}
        found = runtime.run(given, timeout=60)
        wanted = [t.numpy() for t in torch.utils._pytree.tree_leaves(model(*arguments))]
    for array, expected in zip(found.values(), wanted, strict=True):
        assert close(array, expected)


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


class Ops(torch.nn.Module):
    """Attributes with names that operators have, too."""

    def __init__(self) -> None:
        super().__init__()
        self.ops = torch.nn.ModuleDict({"conv": torch.nn.Linear(4, 3), "from_file": torch.nn.Linear(3, 2)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.ops["from_file"](self.ops["conv"](x)))


def test_attributes_called_as_operators_are(tmp_path: Path) -> None:
    net = Ops().eval()
    convert_here(script(net, tmp_path / "m.pt"), tmp_path / "1")
    with opened(tmp_path / "1") as runtime:
        found = runtime.run({"x": X}, timeout=60)["output"]
    assert close(found, net(torch.from_numpy(X)).detach().numpy())


@pytest.mark.parametrize("call", ["ops.mine.run(x)", "torch.ops.rpc.remote(x)", "torch.save(x, 'f')", "from_file('f')"])
def test_operators_that_are_not_of_torch(tmp_path: Path, call: str) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", b"")
        archive.writestr("m/code/__torch__/m.py", f"def forward(self, x):\n  return {call}\n")
    with pytest.raises(ModelRefusedError, match="the TorchScript code calls"):
        convert_here(tmp_path / "m.pt", tmp_path / "1")
