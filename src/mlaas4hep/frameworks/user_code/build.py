"""Models that only the user's code can build: ``model.py`` of the bundle is run, if its author is trusted."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import Any

from mlaas4hep.errors import BundleError
from mlaas4hep.frameworks.user_code.original import original_layers

__all__ = ["CODE_FILE", "built_by_code"]

CODE_FILE = "model.py"


def built_by_code(folder: Path, width: int, framework: str, trust_code: bool) -> Any:
    """Return what ``model(idim)`` of the bundle's ``model.py`` returns.

    Args:
        folder: holds ``model.py``.
        width: number of columns the model sees.
        framework: for messages.
        trust_code: must be true, because ``model.py`` is run.

    Raises:
        BundleError: the code is not trusted, or defines no ``model``.
    """
    where = f"native/{CODE_FILE}"
    if not trust_code:
        what = f"loading this native {framework} model runs the code in its model.py"
        raise BundleError(what, where=where, hint="read the file, and allow it (trust_code) if you trust its author")
    spec = importlib.util.spec_from_file_location("mlaas4hep_native_model", folder / CODE_FILE)
    if spec is None or spec.loader is None or not (folder / CODE_FILE).is_file():
        what = f"the bundle has no model.py for its {framework} weights"
        raise BundleError(what, where=where)
    code = importlib.util.module_from_spec(spec)
    with original_layers():
        spec.loader.exec_module(code)
        build = getattr(code, "model", None)
        if not callable(build):
            what = "it does not define model()"
            raise BundleError(what, where=where)
        return build(width) if inspect.signature(build).parameters else build()
