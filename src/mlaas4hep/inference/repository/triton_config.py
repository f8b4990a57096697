"""Triton's ``config.pbtxt``, read and written by protobuf with the messages of tritonclient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.tensors import TensorSpec

__all__ = ["TritonConfig", "config_text", "parse_config"]

SAYS_BATCH: Final = re.compile(r"^[^#]*\bmax_batch_size\s*:", re.MULTILINE)
"""That a number of 0 was written, a message does not tell."""


@dataclass(frozen=True)
class TritonConfig:
    """What a configuration says. With `max_batch_size` above 0 all shapes carry a first axis of any size.

    `says_batch` is false where `max_batch_size` is not there, which Triton takes for 0.
    """

    name: str
    platform: str
    max_batch_size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    says_batch: bool = True


def parse_config(text: str) -> TritonConfig:
    """Read a configuration; fields that are not Triton's are passed over.

    Raises:
        ModelRefusedError: it cannot be understood; names the line.
    """
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    try:
        config = text_format.Parse(text, ModelConfig(), allow_unknown_field=True)
    except text_format.ParseError as error:
        place = "" if error.GetLine() is None else f" at line {error.GetLine()}"
        reason = re.sub(r"^\d+:\d+ : ", "", " ".join(str(error).split()))
        raise ModelRefusedError(f"config.pbtxt cannot be understood{place} ({reason[:200]})") from error
    except RecursionError as error:
        raise ModelRefusedError("config.pbtxt cannot be understood (it is nested too deeply)") from error
    batch = int(config.max_batch_size)
    inputs, outputs = (tuple(_spec(item, batch > 0) for item in side) for side in (config.input, config.output))
    platform = config.platform or config.backend
    return TritonConfig(config.name, platform, batch, inputs, outputs, bool(batch or SAYS_BATCH.search(text)))


def config_text(config: dict[str, Any]) -> str:
    """Return the text of a configuration that is given in the form of protobuf's JSON."""
    from google.protobuf import json_format, text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    message = json_format.ParseDict(config, ModelConfig())
    return str(text_format.MessageToString(message, use_short_repeated_primitives=True))


def _spec(item: Any, batch: bool) -> TensorSpec:
    """Return the spec of an input or output; a data type is numpy's in capitals but for FP and STRING."""
    from tritonclient.grpc.model_config_pb2 import DataType

    kind = DataType.Name(item.data_type).removeprefix("TYPE_")
    if not item.name or kind in {"INVALID", "BF16"}:
        wrong = f"the type {kind} cannot be served" if item.name and kind == "BF16" else "it needs name and data_type"
        what = f"config.pbtxt: the input or output {item.name!r} is not complete or not understood ({wrong})"
        raise ModelRefusedError(what)
    dtype = "object" if kind == "STRING" else kind.lower().replace("fp", "float")
    return TensorSpec(item.name, dtype, (-1, *item.dims) if batch else tuple(item.dims))
