"""Loading an uploaded model by its own framework."""

from __future__ import annotations

import importlib
from typing import cast

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.errors.text import first_line
from mlaas4hep.frameworks.foreign import Kind, Loader, Native, Source
from mlaas4hep.frameworks.registry import format_of_kind

__all__ = ["load_native", "loader_of"]


def loader_of(kind: Kind) -> Loader:
    """Return the module that loads a format."""
    return cast("Loader", importlib.import_module(format_of_kind(kind).module))


def load_native(source: Source) -> Native:
    """Load a model by its framework.

    Raises:
        ModelRefusedError: it is damaged, needs code of its maker, or the framework is not installed.
    """
    known = format_of_kind(source.kind)
    try:
        return loader_of(source.kind).load(source)
    except (MLaaS4HEPError, MemoryError):
        raise
    except ImportError as error:
        what = f"the model needs {known.package}, which cannot be loaded on this server ({first_line(error)})"
        raise ModelRefusedError(what) from error
    except Exception as error:  # loaders raise anything on a damaged file
        what = f"the model cannot be loaded by {known.maker} ({first_line(error)})"
        raise ModelRefusedError(what) from error
