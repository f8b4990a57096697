"""A small convolutional network, trained here on five digits, tells them over ``/image`` as torch does by itself."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from mlaas4hep.inference.settings import Limits, Settings
from tests.support.live import Live, live_server

DIGITS = range(5)
NAMES = [f"digit {number}" for number in range(10)]
STEPS = 150
Pixels = NDArray[np.uint8]
Scores = NDArray[np.float32]


@dataclass
class Trained:
    """The network and what it learnt from."""

    network: torch.nn.Sequential
    digits: list[Pixels]

    def scores(self, pixels: Pixels) -> Scores:
        """Probabilities for a grey picture of 28 x 28, by torch."""
        given = torch.from_numpy(pixels.astype(np.float32) / np.float32(255))[None, None]
        with torch.no_grad():
            return np.asarray(torch.softmax(self.network(given), 1)[0].numpy())


@pytest.fixture(scope="module")
def trained(shared_data: Path) -> Trained:
    """Trained on the five digits, moved about and with noise."""
    digits = [np.asarray(Image.open(shared_data / "images" / f"{number}.png").convert("L")) for number in DIGITS]
    rng = np.random.default_rng(2)
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 16, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(16 * 7 * 7, 10),
    )
    torch.random.set_rng_state(state)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the network is too small for more
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(STEPS):
        labels = rng.integers(0, len(digits), 32)
        moved = [np.roll(digits[label], rng.integers(-3, 4, 2), (0, 1)) / 255 for label in labels]
        noisy = np.clip(np.array(moved) + rng.normal(0, 0.1, (32, 28, 28)), 0, 1)
        loss = torch.nn.functional.cross_entropy(
            network(torch.from_numpy(noisy.astype(np.float32))[:, None]), torch.from_numpy(labels)
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.set_num_threads(threads)
    return Trained(network.eval(), digits)


def as_onnx(network: torch.nn.Sequential, layout: str) -> onnx.ModelProto:
    """The network written down by hand, with softmax; NHWC or NCHW pictures."""
    parts = {name: numpy_helper.from_array(value.detach().numpy(), name) for name, value in network.named_parameters()}
    shape: list[str | int] = ["N", 1, 28, 28] if layout == "NCHW" else ["N", 28, 28, 1]
    same: dict[str, Any] = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    turn = helper.make_node("Transpose", ["x"], ["planes"], perm=[0, 3, 1, 2])
    leave = helper.make_node("Identity", ["x"], ["planes"])
    nodes = [
        leave if layout == "NCHW" else turn,
        helper.make_node("Conv", ["planes", "0.weight", "0.bias"], ["a"], **same),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "2.weight", "2.bias"], ["c"], **same),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "5.weight", "5.bias"], ["f"], transB=1),
        helper.make_node("Softmax", ["f"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])],
        list(parts.values()),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def exported(network: torch.nn.Sequential) -> bytes:
    """The network as torch itself saves it to run elsewhere (TorchScript)."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Sequential(network, torch.nn.Softmax(1))), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server to which the networks went up over HTTP: with names of the digits (``tf1``) and without."""
    uploads = {
        "nchw": as_onnx(trained.network, "NCHW").SerializeToString(),
        "nhwc": as_onnx(trained.network, "NHWC").SerializeToString(),
        "tf1": as_onnx(trained.network, "NHWC").SerializeToString(),
    }
    settings = Settings(repository=tmp_path_factory.mktemp("images"), limits=Limits(upload=2**24))
    with live_server(settings) as live:
        for name, content in uploads.items():
            files: dict[str, Any] = {
                "params": ("params.json", json.dumps({"model": "model.onnx", "labels": "labels.txt"})),
                "model": ("model.onnx", content),
            }
            if name == "tf1":
                files["labels"] = ("labels.txt", "\n".join(NAMES))
            answer = live.client.post("/upload", data={"name": name}, files=files)
            assert answer.status_code == 200, answer.text
        yield live


def file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file."""
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def decoded(content: bytes) -> Pixels:
    """What a file holds, grey, 28 x 28."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("L").resize((28, 28), Image.Resampling.BILINEAR))


def files_of(pixels: Pixels) -> dict[str, bytes]:
    """A digit in files of all kinds."""
    plain = Image.fromarray(pixels)
    large = plain.resize((84, 112), Image.Resampling.BICUBIC)
    return {
        "png": file(plain, "PNG"),
        "colour.png": file(plain.convert("RGB"), "PNG"),
        "jpg": file(plain, "JPEG", quality=90),
        "large.png": file(large, "PNG"),
        "large.jpg": file(large.convert("RGB"), "JPEG", quality=90),
    }


def post(client: httpx.Client, model: str, name: str, content: bytes) -> Any:
    """The answer to a picture."""
    answer = client.post("/image", data={"model": model}, files={"image": (name, content)})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_the_graph_written_by_hand_is_the_network(trained: Trained, layout: str) -> None:
    session = onnxruntime.InferenceSession(as_onnx(trained.network, layout).SerializeToString())
    for digit in trained.digits:
        given = digit.reshape(1, 1, 28, 28) if layout == "NCHW" else digit.reshape(1, 28, 28, 1)
        found = session.run(None, {"x": given.astype(np.float32) / np.float32(255)})[0][0]
        np.testing.assert_allclose(found, trained.scores(digit), atol=1e-5)


@pytest.mark.parametrize("model", ["nchw", "nhwc"])
def test_digits_in_files_of_all_kinds(server: Live, trained: Trained, shared_data: Path, model: str) -> None:
    for number in DIGITS:
        original = (shared_data / "images" / f"{number}.png").read_bytes()
        for name, content in {"original.png": original, **files_of(trained.digits[number])}.items():
            found = post(server.client, model, name, content)
            assert np.argmax(found) == number, name
            np.testing.assert_allclose(found, trained.scores(decoded(content)), atol=1e-5, err_msg=name)


def test_names_of_the_five_best(server: Live, trained: Trained) -> None:
    for number in DIGITS:
        name, content = f"some-{number}.png", file(Image.fromarray(trained.digits[number]), "PNG")
        found = post(server.client, "tf1", name, content)
        expected = trained.scores(trained.digits[number])
        best = np.argsort(-expected, kind="stable")[:5]
        assert found["filename"] == name
        assert [entry["label"] for entry in found["labels"]] == [NAMES[i] for i in best]
        assert found["labels"][0]["label"] == f"digit {number}"
        np.testing.assert_allclose([entry["probability"] for entry in found["labels"]], expected[best], atol=1e-5)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torchs_own_file(server: Live, trained: Trained) -> None:
    params = {"model": "model.pt", "inputs": [{"name": "x", "dtype": "float32", "shape": [-1, 1, 28, 28]}]}
    files: Any = {"params": ("params.json", json.dumps(params)), "model": ("model.pt", exported(trained.network))}
    answer = server.client.post("/upload", data={"name": "scripted"}, files=files)
    assert answer.status_code == 200, answer.text
    for number in DIGITS:
        content = file(Image.fromarray(trained.digits[number]), "PNG")
        found = post(server.client, "scripted", "x.png", content)
        assert np.argmax(found) == number
        np.testing.assert_allclose(found, trained.scores(trained.digits[number]), atol=1e-5)
