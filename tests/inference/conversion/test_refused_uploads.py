from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import onnx
import psutil
import pytest
import torch

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.inference.conversion.convert import convert as convert_here
from mlaas4hep.inference.settings import Limits
from tests.support.foreign_models import convert
from tests.support.onnx_graphs import linear
from tests.support.worker_models import script

REASONS = {
    "bnn_model_fc_1layer.onnx": "ONNX Runtime cannot load the model .*BipolarQuant.* is not a registered function",
    "custom_layers.h5": r"layers that are not Keras' own \(FixedPointQuantizer\); they would run code",
    "legacy.xgb": "a legacy XGBoost binary file is not loaded",
    "sklearn_pickle.joblib": "pickles are never loaded: they can run any code",
    "whole_module_pickle.pt": "pickles are never loaded: they can run any code",
}


@pytest.mark.parametrize("name", REASONS)
def test_every_one_with_its_reason(shared_data: Path, tmp_path: Path, name: str) -> None:
    folder = shared_data / "models" / "refuse"
    assert set(REASONS) == {path.name for path in folder.iterdir()}
    with pytest.raises(ModelRefusedError, match=REASONS[name]) as caught:
        convert(folder / name, tmp_path / "1")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.status == 422
    assert list(tmp_path.iterdir()) == []


class Endless(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Never ends."""
        steps = 0
        while bool((x[0, 0] < 1e9).item()):
            steps += 1
        return x


class Hungry(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes 40 GB."""
        return x + torch.zeros(10_000_000_000).sum()


def shaped(tmp_path: Path, module: torch.nn.Module) -> Path:
    script(module, tmp_path / "in" / "model.pt")
    (tmp_path / "in" / "params.json").write_text(json.dumps({"inputs": [{"name": "x", "shape": [None, 3]}]}))
    return tmp_path / "in"


def test_a_conversion_that_never_ends(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.process_iter()}
    with pytest.raises(ModelRefusedError, match="its conversion took longer than 6 s"):
        convert(shaped(tmp_path, Endless()), tmp_path / "1", limits=Limits(conversion_timeout=6))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert left == []


def test_a_conversion_that_eats_memory(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="allocate memory"):
        convert(shaped(tmp_path, Hungry()), tmp_path / "1", limits=Limits(conversion_memory=6 * 2**30))
    with pytest.raises(ModelRefusedError, match=r"memory|crashed|cannot be loaded"):
        convert(shaped(tmp_path, Endless()), tmp_path / "1", limits=Limits(conversion_memory=150 * 2**20))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_links_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    onnx.save(linear(), folder / "model.onnx")
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(ModelRefusedError, match="the upload holds links"):
        convert(folder, tmp_path / "1")


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    model = linear()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    file = tmp_path / "m.onnx"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ModelRefusedError, match="keeps weights in a file beside it"):
        convert(file, tmp_path / "1")


@pytest.mark.parametrize(
    ("member", "reads"),
    [("from_file", "torch.from_file('/etc/passwd', False, 10)"), ("torch.save", "torch.save(x, '/tmp/x')")],
)
def test_torchscript_that_reaches_out(tmp_path: Path, member: str, reads: str) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", b"")
        archive.writestr("m/code/__torch__/m.py", f"def forward(self, x):\n  return {reads}\n")
    with pytest.raises(ModelRefusedError, match=f"the TorchScript code calls {member}"):
        convert(tmp_path / "m.pt", tmp_path / "1")


def test_torch_export_needs_a_sandbox(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "m.pt2", "w") as archive:
        archive.writestr("m/archive_format", b"pt2")
    with pytest.raises(ModelRefusedError, match="only loaded in a sandbox"):
        convert_here(tmp_path / "m.pt2", tmp_path, {}, sandboxed=False)


def test_torchscript_of_unknown_shape(tmp_path: Path) -> None:
    class Two(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a + b

    with pytest.raises(ModelRefusedError, match=r"takes no inputs of the shapes that were guessed; give the shapes"):
        convert(script(Two(), tmp_path / "m.pt"), tmp_path / "1")


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "model.tar", "w") as tar:
        tar.add(os.devnull)
    with pytest.raises(ModelRefusedError, match="format of the file is not known; known are "):
        convert(tmp_path / "in", tmp_path / "1")
