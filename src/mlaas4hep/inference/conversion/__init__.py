"""Models of other makers: recognised by content, converted to ONNX in a process of their own, checked, described."""

from __future__ import annotations

from mlaas4hep.inference.conversion.upload import convert_upload

__all__ = ["convert_upload"]
