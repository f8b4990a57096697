"""Triton's model configuration as the text that clients such as CMSSW's SONIC keep in a file ``config.pbtxt``."""

from __future__ import annotations

from typing import Any

from mlaas4hep.bundle.clients import quoted

__all__ = ["config_text"]

_NAMES = ("data_type",)


def config_text(config: dict[str, Any]) -> str:
    """The configuration in protobuf's text format, as `description.config` gives it."""
    return "".join(_field(name, value, 0) for name, value in config.items())


def _field(name: str, value: Any, depth: int) -> str:
    pad = "  " * depth
    if name == "dims":
        return f"{pad}dims: [ {', '.join(map(str, value))} ]\n" if value else ""
    if name == "parameters":
        return "".join(_block(name, {"key": key, "value": text}, depth) for key, text in value.items())
    if isinstance(value, list):
        return "".join(_block(name, entry, depth) for entry in value)
    if isinstance(value, dict):
        return _block(name, value, depth)
    shown = str(value) if name in _NAMES or not isinstance(value, str) else quoted(value)
    return f"{pad}{name}: {shown}\n"


def _block(name: str, content: dict[str, Any], depth: int) -> str:
    pad = "  " * depth
    return f"{pad}{name} {{\n{''.join(_field(key, value, depth + 1) for key, value in content.items())}{pad}}}\n"
