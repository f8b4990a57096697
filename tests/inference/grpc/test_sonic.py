"""The calls of CMSSW's SONIC client and of coffea's wrapper, in their order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from tests.support.onnx_models import WEIGHTS, scorer, write
from tests.support.running import Running

ROWS = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -0.125]], np.float32)


@pytest.fixture
def stub(oip: Running) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(oip.grpc) as channel:
        yield GRPCInferenceServiceStub(channel)


def checksums(config: Any, version: str) -> dict[str, str]:
    """What SONIC compares: the parameters of the agent named checksum that begin with the version."""
    agents = [agent for agent in config.model_repository_agents.agents if agent.name == "checksum"]
    return {key: value for agent in agents for key, value in agent.parameters.items() if key.startswith(f"{version}/")}


@pytest.mark.parametrize("version", ["", "1"])
def test_sonic(oip: Running, stub: GRPCInferenceServiceStub, version: str) -> None:
    local = text_format.Parse(
        httpx.get(f"http://{oip.http}/v2/models/scorer/config?format=pbtxt").text, model_config_pb2.ModelConfig()
    )

    assert stub.ServerMetadata(pb.ServerMetadataRequest()).version
    assert "scorer" in {model.name for model in stub.RepositoryIndex(pb.RepositoryIndexRequest()).models}

    remote = stub.ModelConfig(pb.ModelConfigRequest(name="scorer", version=version)).config
    assert checksums(remote, version) == checksums(local, version)
    assert remote.max_batch_size > 0

    metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name="scorer", version=version))
    given = metadata.inputs[0]
    assert (given.name, given.datatype, list(given.shape)) == ("features", "FP32", [-1, 3])

    request = pb.ModelInferRequest(model_name="scorer", model_version=version)
    request.inputs.add(name=given.name, datatype=given.datatype, shape=[len(ROWS), *given.shape[1:]])
    request.outputs.add(name="logits")
    request.raw_input_contents.append(ROWS.tobytes())
    response = stub.ModelInfer(request, compression=grpc.Compression.Gzip)
    assert [output.name for output in response.outputs] == ["logits"]
    logits = np.frombuffer(response.raw_output_contents[0], np.float32).reshape(response.outputs[0].shape)
    np.testing.assert_allclose(logits, ROWS @ WEIGHTS, atol=1e-6)

    statistics = stub.ModelStatistics(pb.ModelStatisticsRequest(name="scorer", version=version)).model_stats
    counts = {one.version: one.inference_stats.success.count for one in statistics}
    assert counts[response.model_version] > 0


def test_the_checksum_is_that_of_the_model_file(stub: GRPCInferenceServiceStub, tmp_path: Path) -> None:
    config = stub.ModelConfig(pb.ModelConfigRequest(name="scorer", version="2")).config
    file = write(scorer(), tmp_path / "model.onnx")
    assert checksums(config, "2") == {"2/model.onnx": f"MD5:{hashlib.md5(file.read_bytes()).hexdigest()}"}


def test_coffea(oip: Running) -> None:
    with triton.InferenceServerClient(oip.grpc) as client:
        metadata = client.get_model_metadata("scorer", "1", as_json=True)
        limit = client.get_model_config("scorer", "1", as_json=True)["config"]["max_batch_size"]
        given = triton.InferInput("features", [min(limit, len(ROWS)), 3], metadata["inputs"][0]["datatype"])
        given.set_data_from_numpy(ROWS)
        names = [output["name"] for output in metadata["outputs"]]
        result = client.infer("scorer", [given], "1", outputs=[triton.InferRequestedOutput(name) for name in names])
    np.testing.assert_allclose(result.as_numpy("logits"), ROWS @ WEIGHTS, atol=1e-6)
