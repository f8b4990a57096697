"""TFaaS's messages on the wire, and rows out of them."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.rest.predict.proto import combine, decode_rows
from mlaas4hep.inference.rest.tfaas import messages
from mlaas4hep.inference.rest.tfaas.messages import Class, DataFrame, Detector, Hits, Predictions, Row

MESSAGES = {"Row": Row, "DataFrame": DataFrame, "Class": Class, "Predictions": Predictions} | {
    "Detector": Detector,
    "Hits": Hits,
}
NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
FLOATS = st.floats(width=32, allow_nan=False)


def chunk(field: int, content: bytes) -> bytes:
    """A length-delimited field, by the rules of the encoding."""
    assert len(content) < 128
    return bytes([field << 3 | 2, len(content)]) + content


def test_a_row_is_encoded_as_the_standard_says() -> None:
    row = Row(key=["a", "b"], value=[1.5, -2.0], model="m")
    assert row.SerializeToString() == (
        chunk(1, b"a") + chunk(1, b"b") + chunk(2, struct.pack("<2f", 1.5, -2.0)) + chunk(3, b"m")
    )


def test_predictions_are_encoded_as_the_standard_says() -> None:
    message = Predictions(prediction=[Class(label="s", probability=0.5)])
    inner = chunk(1, b"s") + bytes([2 << 3 | 5]) + struct.pack("<f", 0.5)
    assert message.SerializeToString() == chunk(1, inner)


def test_hits_are_encoded_as_the_standard_says() -> None:
    message = Hits(det=[Detector(name="d", x=[1], y=[2], z=[3, 4])])
    inner = chunk(1, b"d") + chunk(2, struct.pack("<f", 1)) + chunk(3, struct.pack("<f", 2))
    assert message.SerializeToString() == chunk(1, inner + chunk(4, struct.pack("<2f", 3, 4)))


def test_the_proto_file_says_what_the_classes_are() -> None:
    text = Path(messages.__file__).with_name("tfaas.proto").read_text(encoding="utf-8")
    assert "package tfaaspb;" in text
    assert 'syntax = "proto3";' in text
    kinds = {2: "float", 9: "string"}
    for name, message in MESSAGES.items():
        body = text.partition(f"message {name} {{")[2].partition("}")[0]
        expected = [
            f"{'repeated ' if field.is_repeated else ''}{kinds.get(field.type) or field.message_type.name}"
            f" {field.name} = {field.number};"
            for field in message.DESCRIPTOR.fields
        ]
        assert [line.strip() for line in body.strip().splitlines()] == expected
        assert message.DESCRIPTOR.full_name == f"tfaaspb.{name}"


@given(st.lists(st.tuples(NAMES, FLOATS), min_size=1, max_size=6), NAMES)
def test_a_row_is_told_from_a_frame(content: list[tuple[str, float]], model: str) -> None:
    row = Row(key=[key for key, _ in content], value=[value for _, value in content], model=model)
    assert decode_rows(row.SerializeToString()) == [row]
    frame = DataFrame(row=[row, row])
    assert decode_rows(frame.SerializeToString()) == [row, row]


@given(st.binary(max_size=60))
def test_anything_else_is_refused_or_is_rows(data: bytes) -> None:
    try:
        rows = decode_rows(data)
    except BadRequestError:
        return
    assert all(type(row) is Row for row in rows)


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff", b"hello there", chunk(1, b"a"), DataFrame(row=[Row()]).SerializeToString()]
)
def test_a_body_without_values_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequestError, match=r"neither a tfaaspb\.Row nor a tfaaspb\.DataFrame with values"):
        decode_rows(data)


@pytest.mark.parametrize(
    ("keys", "values", "expected"),
    [
        (["met", "pt[1]", "pt[0]"], [1.0, 3.0, 2.0], {"met": 1.0, "pt": [2.0, 3.0]}),
        (["pt[0]", "met"], [math.nan, 1.0], {"met": 1.0, "pt": []}),
        (["pt[0]", "pt[1]", "pt[2]"], [5.0, math.nan, math.nan], {"pt": [5.0]}),
        (["flat[0]", "other[0]"], [1.0, 2.0], {"flat[0]": 1.0, "other[0]": 2.0}),
        (["pt"], [2.0], {"pt": 2.0}),
    ],
)
def test_entries_of_jagged_branches_become_lists(
    keys: list[str], values: list[float], expected: dict[str, Any]
) -> None:
    assert dict(zip(*combine(keys, values, {"pt"}), strict=True)) == expected


def test_a_missing_entry_is_named() -> None:
    with pytest.raises(BadRequestError, match=r"the key pt\[1\] is missing"):
        combine(["pt[0]", "pt[2]"], [1.0, 2.0], {"pt"})


def test_an_entry_given_twice_is_named() -> None:
    with pytest.raises(BadRequestError, match=r"the key pt\[0\] is given twice"):
        combine(["pt[0]", "pt[0]"], [1.0, 2.0], {"pt"})


def test_huge_numbers_of_entries_take_no_memory() -> None:
    with pytest.raises(BadRequestError, match=r"the key pt\[0\] is missing"):
        combine(["pt[999999999]"], [1.0], {"pt"})


def test_messages_have_text_form() -> None:
    assert "probability: 0.5" in text_format.MessageToString(Class(probability=0.5))
