"""Names of models, versions and labels that are allowed, and so are safe as names of folders."""

from __future__ import annotations

import re

from mlaas4hep.errors.serving import BadRequestError

__all__ = ["LATEST", "is_label", "is_model", "is_version", "model_name", "number_of"]

LATEST = "latest"
MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
VERSION = re.compile(r"[1-9][0-9]{0,14}")
LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def is_model(text: str) -> bool:
    """Return true for letters, digits and ``_.-`` that do not begin with a dot or dash, at most 128."""
    return MODEL.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Return true for a positive number without leading zeros."""
    return VERSION.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Return true for a label: begins with a letter or underscore, so that it is never taken for a number."""
    return LABEL.fullmatch(text) is not None


def model_name(text: str) -> str:
    """Return the text, which is the name of a model.

    Raises:
        BadRequestError: it cannot be the name of a model.
    """
    if not is_model(text):
        raise BadRequestError(
            f"{text[:128]!a} cannot be the name of a model",
            hint="use letters, digits and _.- (not first), at most 128",
        )
    return text


def number_of(text: str) -> int:
    """Return the version as a number.

    Raises:
        BadRequestError: it is none.
    """
    if not is_version(text):
        raise BadRequestError(f"{text[:64]!a} cannot be a version", hint="versions are numbers: 1, 2, 3, ...")
    return int(text)
