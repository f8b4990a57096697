from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.frameworks.recognition.wire import protobuf_kind
from tests.support.onnx_graphs import linear


def test_real_files(shared_data: Path) -> None:
    models = shared_data / "models"
    assert protobuf_kind((models / "frozen_graph" / "tau_3layer.pb").read_bytes()) == "graphdef"
    assert protobuf_kind((models / "onnx" / "jet_tagger_16x5.onnx").read_bytes()) == "onnx"
    assert protobuf_kind((models / "refuse" / "bnn_model_fc_1layer.onnx").read_bytes()) == "onnx"
    saved = models / "saved_model" / "half_plus_two_tf2" / "00000123"
    assert protobuf_kind((saved / "saved_model.pb").read_bytes()) == "savedmodel"
    for other in ("variables/variables.data-00000-of-00001", "variables/variables.index", "assets/foo.txt"):
        assert protobuf_kind((saved / other).read_bytes()) is None


def test_onnx_made_here() -> None:
    data = linear().SerializeToString()
    assert protobuf_kind(data) == "onnx"
    assert protobuf_kind(data[:-1]) is None


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x0a\x02\x0a\x00", b"\x0a\xff", b"\x08" + b"\xff" * 20, b"\x0b"])
def test_other_bytes(data: bytes) -> None:
    assert protobuf_kind(data) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    assert protobuf_kind(data) in {None, "onnx", "savedmodel", "graphdef"}
