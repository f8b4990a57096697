"""Machine learning as a service for high-energy physics: from ROOT files to trained, served models."""

from __future__ import annotations

import os

__all__ = ["__version__"]

__version__ = "0.1.0"

# ONNX Runtime keeps an identifier of the machine in the cache folder and reports to its maker, unless this is set when
# it is loaded; here, because every process of ours, those that it starts, and a user's model file come after it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
