"""The messages of ``tfaas.proto``, made at import from their descriptor, so that nobody needs protoc."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

__all__ = ["Class", "DataFrame", "Detector", "Hits", "Predictions", "Row"]

_STRING, _FLOAT, _MESSAGE = (
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_FLOAT,
    FieldDescriptorProto.TYPE_MESSAGE,
)
_ONE, _MANY = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED
_MESSAGES: dict[str, list[tuple[str, Any, Any, str]]] = {
    "Row": [("key", _MANY, _STRING, ""), ("value", _MANY, _FLOAT, ""), ("model", _ONE, _STRING, "")],
    "DataFrame": [("row", _MANY, _MESSAGE, "Row")],
    "Class": [("label", _ONE, _STRING, ""), ("probability", _ONE, _FLOAT, "")],
    "Predictions": [("prediction", _MANY, _MESSAGE, "Class")],
    "Detector": [
        ("name", _ONE, _STRING, ""),
        ("x", _MANY, _FLOAT, ""),
        ("y", _MANY, _FLOAT, ""),
        ("z", _MANY, _FLOAT, ""),
    ],
    "Hits": [("det", _MANY, _MESSAGE, "Detector")],
}


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="mlaas4hep/tfaas.proto", package="tfaaspb", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, label, kind, other) in enumerate(fields, start=1):
            message.field.add(
                name=field, number=number, label=label, type=kind, type_name=f".tfaaspb.{other}" if other else None
            )
    return file


def _messages() -> dict[str, Any]:
    # A pool of its own: a client library with its own tfaaspb in the same process does no harm.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tfaaspb.{name}")) for name in _MESSAGES}


_classes = _messages()
Row: Any = _classes["Row"]
DataFrame: Any = _classes["DataFrame"]
Class: Any = _classes["Class"]
Predictions: Any = _classes["Predictions"]
Detector: Any = _classes["Detector"]
Hits: Any = _classes["Hits"]
