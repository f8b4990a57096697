"""The messages of ``tfaas.proto``, built from that file at import, so that protoc is not needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

__all__ = ["Class", "DataFrame", "Detector", "Hits", "Predictions", "Row"]

_KINDS: dict[str, Any] = {"string": FieldDescriptorProto.TYPE_STRING, "float": FieldDescriptorProto.TYPE_FLOAT}
_MESSAGE = re.compile(r"^message (\w+) {(.*?)^}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^ *(repeated )?(\w+) (\w+) = (\d+);", re.MULTILINE)


def _messages() -> dict[str, Any]:
    text = Path(__file__).with_name("tfaas.proto").read_text(encoding="utf-8")
    file = FileDescriptorProto(name="mlaas4hep/tfaas.proto", package="tfaaspb", syntax="proto3")
    for name, fields in _MESSAGE.findall(text):
        message = file.message_type.add(name=name)
        for many, kind, field, number in _FIELD.findall(fields):
            label = FieldDescriptorProto.LABEL_REPEATED if many else FieldDescriptorProto.LABEL_OPTIONAL
            made = message.field.add(name=field, number=int(number), label=label)
            if kind in _KINDS:
                made.type = _KINDS[kind]
            else:
                made.type, made.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".tfaaspb.{kind}"
    # A pool of its own: a client library with its own tfaaspb in the same process does no harm.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [message.name for message in file.message_type]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tfaaspb.{name}")) for name in names}


_classes = _messages()
Row: Any = _classes["Row"]
DataFrame: Any = _classes["DataFrame"]
Class: Any = _classes["Class"]
Predictions: Any = _classes["Predictions"]
Detector: Any = _classes["Detector"]
Hits: Any = _classes["Hits"]
