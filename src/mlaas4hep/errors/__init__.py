"""Every failure a user can meet: what went wrong, where, and what to do about it.

A command shows such an error as one line and exits with code 2; a traceback appears only on request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

__all__ = [
    "BranchNotFoundError",
    "BranchReadError",
    "BundleError",
    "ConfigError",
    "ConversionError",
    "CredentialError",
    "ExpressionError",
    "FileError",
    "FileReadError",
    "FrameworkMissingError",
    "LabelError",
    "MLaaS4HEPError",
    "MemoryLimitError",
    "ModelFileError",
    "NoEventsError",
    "OutputError",
    "PreprocessingError",
    "SplitError",
    "TreeNotFoundError",
    "UnsupportedBranchError",
    "WeightError",
    "without_credentials",
]

_USER = re.compile(r"(?<=://)(?:[^/?#@\s'\"]*:(?!\d*(?:[/?#\s'\"]|$))[^\s'\"]*|[^/?#\s'\"]*)@")
_PARAMETER = re.compile(r"([?&;#])([\w.~$:%\[\]-]+)=([^=&;#\s'\"][^&;#\s'\"]*)")
_SECRET = re.compile(r"(?i)auth|token|sig|secret|cred|pass|pwd|key|jwt|bearer|access|session|macaroon|(?<![a-z])code")
_OPAQUE = re.compile(r"(?=[^.]*[0-9])(?=.*[A-Za-z])[\w%+=~-]{24,}|eyJ.*|Bearer.*")
"""A value that nobody chose to be read: long, of letters and digits; or the beginning of a JSON Web Token."""


def without_credentials(text: str) -> str:
    """Return a text with user names, passwords and tokens of the URLs in it taken out.

    Of the parameters of a URL those are kept that have neither a name that speaks of a secret nor a value that looks
    like one. Every place that shows or stores a name of a file, and every error, goes through this.

    Example:
        >>> without_credentials("https://me:secret@host/a.root?authz=eyJh&n=1")
        'https://host/a.root?authz=...&n=1'
    """
    if "://" in text:
        text = _USER.sub("", text)
    return _PARAMETER.sub(_hidden, text) if "=" in text else text


def _hidden(found: re.Match[str]) -> str:
    sign, name, value = found.groups()
    return f"{sign}{name}=..." if _SECRET.search(name) or _OPAQUE.match(value) else found[0]


_CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""What would break the one line of an error, or the terminal, as an escape: names of files may hold anything."""


class MLaaS4HEPError(Exception):
    """Base of all errors this package raises on purpose.

    Args:
        what: what went wrong, a short clause without a full stop.
        where: the file, branch, entry or key concerned.
        hint: what the user can do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = without_credentials(what)
        self.where = None if where is None else without_credentials(where)
        self.hint = None if hint is None else without_credentials(hint)
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return (f"{text}; {self.hint}" if self.hint else text).translate(_CONTROLS)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the parts when an error crosses a process boundary."""
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[MLaaS4HEPError], parts: dict[str, object]) -> MLaaS4HEPError:
    error = kind.__new__(kind)
    error.__dict__.update(parts)
    error.args = (str(error),)
    return error


class ConfigError(MLaaS4HEPError):
    """The configuration is not valid: an unknown key, a wrong type, values that contradict each other."""


class CredentialError(MLaaS4HEPError):
    """A proxy, token or key that servers may ask for has expired; the hint says how to renew it."""


class FileError(MLaaS4HEPError):
    """One file cannot be used, whatever the others are like.

    Attributes:
        kind: class of the failure in reports.
        file: number of the file among those that the user named; None: not known.
        attempts: how often it was tried.
        others: what is wrong with other files, where that was found out at the same time.
    """

    kind: ClassVar[str] = "unusable"
    file: int | None = None
    attempts: int = 1
    others: tuple[FileError, ...] = ()


class FileReadError(FileError):
    """A file cannot be read; `mlaas4hep.errors.reading` has a class for each known reason.

    Attributes:
        may_heal: true if another attempt may succeed.
    """

    kind = "unreadable"
    may_heal: bool = False


class BranchReadError(FileReadError):
    """Some branches of a file cannot be read, though others can.

    Args:
        what: see `MLaaS4HEPError`.
        branches: by name, what is wrong with each.
        where: see `MLaaS4HEPError`.
        hint: see `MLaaS4HEPError`.
    """

    def __init__(
        self, what: str, branches: Mapping[str, str], *, where: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.branches = dict(branches)

    kind = "corrupt"


class TreeNotFoundError(FileError):
    """The file has no such tree; the hint lists those there are."""

    kind = "no such tree"


class BranchNotFoundError(FileError):
    """A branch is missing in a file."""

    kind = "no such branch"


class UnsupportedBranchError(FileError):
    """The branch holds something that cannot be a feature: strings, objects, nested vectors."""

    kind = "unsupported branch"


class ExpressionError(MLaaS4HEPError):
    """An expression has a syntax error, an unknown name or a forbidden construct.

    ``text`` and ``position`` (0-based column) point at the place.
    """

    def __init__(
        self,
        what: str,
        *,
        text: str = "",
        position: int | None = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.text = text
        self.position = position
        if text and position is not None:
            what = f"{what} at column {position + 1} of {text!r}"
        elif text:
            what = f"{what} in {text!r}"
        super().__init__(what, where=where, hint=hint)


class NoEventsError(MLaaS4HEPError):
    """No event, or fewer events than asked for, is left after the cuts.

    Args:
        what: see `MLaaS4HEPError`.
        where: see `MLaaS4HEPError`.
        hint: see `MLaaS4HEPError`.
        cutflow: a table that follows the line; "" for none.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None, cutflow: str = "") -> None:
        self.cutflow = without_credentials(cutflow)
        super().__init__(what, where=where, hint=hint)

    def __str__(self) -> str:
        lines = [line.translate(_CONTROLS) for line in self.cutflow.split("\n")] if self.cutflow else []
        return "\n".join([super().__str__() + ("; cutflow:" if lines else ""), *lines])


class SplitError(MLaaS4HEPError):
    """A part of the split (train, validation or test) would hold no event of some class."""


class LabelError(MLaaS4HEPError):
    """Labels do not fit the files or the task."""


class WeightError(MLaaS4HEPError):
    """A weight is negative where the policy forbids it, or not a number."""


class ModelFileError(MLaaS4HEPError):
    """The user's model file lacks ``model``, raises, or returns something unknown."""


class PreprocessingError(MLaaS4HEPError):
    """The user's file with the function ``preprocessing``, or what the function returns, is at fault."""


class FrameworkMissingError(MLaaS4HEPError):
    """A framework is not installed; the hint names the extra that brings it."""


class MemoryLimitError(MLaaS4HEPError):
    """The events do not fit within the memory limit; the hint says the remedy."""


class ConversionError(MLaaS4HEPError):
    """A model could not be converted to ONNX, or the result differs from the native model."""


class BundleError(MLaaS4HEPError):
    """A model bundle is incomplete, damaged, of an unknown version, or refused for safety."""


class OutputError(MLaaS4HEPError):
    """An output cannot be written: the place exists, is not writable, or the disk is full."""
