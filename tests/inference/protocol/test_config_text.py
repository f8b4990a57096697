from __future__ import annotations

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from mlaas4hep.inference.protocol.config_text import config_text

CONFIG = {
    "name": 'odd "name"\\',
    "platform": "onnxruntime_onnx",
    "version_policy": {"all": {}},
    "max_batch_size": 65536,
    "input": [
        {"name": "features", "data_type": "TYPE_FP32", "dims": [3]},
        {"name": "n", "data_type": "TYPE_INT64", "dims": []},
    ],
    "output": [{"name": "scores", "data_type": "TYPE_FP32", "dims": [2, -1]}],
    "model_repository_agents": {
        "agents": [{"name": "checksum", "parameters": {"1/model.onnx": "MD5:0", "2/m": "MD5:1"}}]
    },
}


def test_the_text_says_the_same_as_the_message() -> None:
    read = text_format.Parse(config_text(CONFIG), model_config_pb2.ModelConfig())
    assert read == json_format.ParseDict(CONFIG, model_config_pb2.ModelConfig())
