"""Which extra of this package brings which library: one table for every command and every message."""

from __future__ import annotations

import importlib.util

from mlaas4hep.errors import FrameworkMissingError

__all__ = ["EXTRAS", "extra_of", "install_hint", "missing_package", "require"]

EXTRAS: dict[str, tuple[str, ...]] = {
    "tensorflow": ("tensorflow", "keras", "tf2onnx", "PIL"),
    "torch": ("torch", "onnxscript"),
    "xgboost": ("xgboost", "onnxmltools"),
    "server": (
        "uvloop",
        "uvicorn",
        "httptools",
        "starlette",
        "python_multipart",
        "orjson",
        "joserfc",
        "google.protobuf",
        "grpc",
        "grpc_health",
        "grpc_reflection",
        "tritonclient",
        "netron",
        "PIL",
    ),
    "hdf5": ("h5py",),
    "xrootd": ("XRootD",),
    "s3": ("s3fs",),
    "webhdfs": ("requests",),
    "simulate": ("fastjet", "pythia8mc", "vector"),
}
"""Names under which the libraries of each extra are imported, those that only one extra has before the others."""


def extra_of(module: str) -> str | None:
    """Return the first extra that brings a module; None: it belongs to the core, or to nobody here.

    Example:
        >>> extra_of("torch.nn.functional")
        'torch'
    """
    return next((extra for extra, names in EXTRAS.items() if any(_within(module, name) for name in names)), None)


def install_hint(extra: str) -> str:
    """Return how to install an extra."""
    return f"pip install 'mlaas4hep[{extra}]'"


def missing_package(error: ImportError) -> FrameworkMissingError | None:
    """An import that failed, as one line that names the package and what brings it; None: it is another fault."""
    name = error.name or ""
    if not isinstance(error, ModuleNotFoundError) or not name or _within(name, "mlaas4hep"):
        return None
    extra = extra_of(name)
    hint = install_hint(extra) if extra else "install mlaas4hep again, with all that it needs"
    return FrameworkMissingError(f"the package {name.partition('.')[0]} is not installed", hint=hint)


def require(extra: str) -> None:
    """See, before anything is done, that all libraries of an extra are there.

    Raises:
        FrameworkMissingError: one is not; names it.
    """
    for name in EXTRAS[extra]:
        try:
            found = importlib.util.find_spec(name) is not None
        except (ModuleNotFoundError, ValueError):
            found = False
        if not found:
            raise FrameworkMissingError(f"the package {name} is not installed", hint=install_hint(extra))


def _within(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")
