"""Machine learning as a service for high-energy physics: from ROOT files to trained, served models."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
