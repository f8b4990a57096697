from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from mlaas4hep.bundle import Manifest, Output
from mlaas4hep.bundle.canonical import json_bytes
from mlaas4hep.bundle.clients import MAX_BATCH, config_pbtxt, labels_txt, params_json, quoted
from mlaas4hep.features.layout import Layout

Make = Callable[..., Manifest]


def multiclass(make: Make, layout: Layout, **changes: object) -> Manifest:
    outputs = (Output(shape=(3,), meaning=("a", "b", "c")),)
    fields = {"task": "multiclass", "classes": ("a", "b", "c"), "signal": None, "outputs": outputs}
    return make(layout, **(fields | changes))


def test_params_have_the_keys_clients_read(make_manifest: Make, layout: Layout, created: str) -> None:
    params = json.loads(json_bytes(params_json(make_manifest(layout))))
    assert params == {
        "name": "higgs",
        "model": "model.onnx",
        "labels": "labels.txt",
        "op": "",
        "input_name": "features",
        "output_name": "scores",
        "img_channels": 0,
        "options": [],
        "input_node": "features",
        "output_node": "scores",
        "description": "sklearn model, binary: probability of signal",
        "timestamp": created,
    }


def test_labels_one_a_line(make_manifest: Make, layout: Layout) -> None:
    assert labels_txt(multiclass(make_manifest, layout, classes=("a", "b\nb", "c"))) == "a\nb b\nc\n"
    regression = make_manifest(layout, task="regression", classes=(), signal=None, target="mass")
    assert labels_txt(regression) == "mass\n"


def test_triton_reads_the_configuration(make_manifest: Make, layout: Layout) -> None:
    text_format = pytest.importorskip("google.protobuf.text_format")
    model_config = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    config = text_format.Parse(config_pbtxt(multiclass(make_manifest, layout)), model_config.ModelConfig())
    assert (config.name, config.platform, config.max_batch_size) == ("higgs", "onnxruntime_onnx", MAX_BATCH)
    assert config.HasField("dynamic_batching")
    ((entry,), (output,)) = (config.input, config.output)
    assert (entry.name, entry.data_type, list(entry.dims)) == ("features", model_config.TYPE_FP32, [3])
    assert (output.name, output.data_type, list(output.dims)) == ("scores", model_config.TYPE_FP32, [3])
    assert output.label_filename == "labels.txt"


def test_a_native_model_names_another_backend(make_manifest: Make, layout: Layout) -> None:
    text_format = pytest.importorskip("google.protobuf.text_format")
    model_config = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    manifest = make_manifest(layout, served="native", reason="no conversion")
    config = text_format.Parse(config_pbtxt(manifest), model_config.ModelConfig())
    assert (config.platform, config.backend) == ("", "mlaas4hep")
    assert params_json(manifest)["model"] == "native"


def test_strings_are_escaped() -> None:
    assert quoted('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'
