"""Versions of the packages that take part in a training."""

from __future__ import annotations

from importlib import metadata

__all__ = ["package_versions"]

PACKAGES = (
    "mlaas4hep", "awkward", "keras", "numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx", "skops", "tensorflow",
    "tensorflow-cpu", "torch", "uproot", "xgboost", "xgboost-cpu",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that may have taken part, those installed."""
    versions: dict[str, str] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
