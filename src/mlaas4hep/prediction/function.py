"""The user's ``preprocessing`` that is kept in a bundle: run for files only where the user trusts it."""

from __future__ import annotations

from mlaas4hep.bundle.read import Bundle
from mlaas4hep.errors import BundleError
from mlaas4hep.errors.findings import few
from mlaas4hep.streaming.user_function.function import EventFunction, load_function

__all__ = ["function_of"]


def function_of(bundle: Bundle, *, trust_code: bool) -> EventFunction | None:
    """Return the function through which the events of files go before they are scored; None if there is none.

    Args:
        bundle: verified.
        trust_code: the user trusts the code in the bundle.

    Raises:
        BundleError: there is one, and it is not trusted.
        PreprocessingError: it cannot be loaded.
    """
    about = bundle.manifest.preprocessing
    if about is None:
        return None
    if not trust_code:
        what = (
            f"branches are computed by the {about.file} in the bundle, which is not trusted: {few(about.computed, 8)}"
        )
        raise BundleError(what, where=str(bundle.path), hint="look at the file, then add --trust-code to run it")
    return load_function(bundle.folder / about.file)
