"""Read a JSON object as users write it, with errors that give the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlaas4hep.errors import ConfigError, FileReadError

__all__ = ["read_json", "read_text"]


def read_text(path: Path) -> str:
    """Return the text of a small UTF-8 file, with or without byte-order mark.

    Raises:
        FileReadError: no such file, or it cannot be read.
        ConfigError: it is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileReadError("no such file", where=str(path)) from None
    except OSError as error:
        raise FileReadError(f"cannot be read ({error.strerror})", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", where=str(path)) from error
    except ValueError:  # a name that no file can have
        raise FileReadError("no such file", where=repr(str(path))) from None


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; ``NaN`` is allowed as in the original, a key given twice is not.

    Raises:
        FileReadError: no such file, or it cannot be read.
        ConfigError: syntax error (with line and column), duplicate key, or something other than an object.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ConfigError(f"key {key!r} is given twice", where=str(path), hint="keep one of them")
            found[key] = value
        return found

    text = read_text(path)
    try:
        data = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ConfigError(f"not valid JSON: {error.msg}", where=f"{path}:{error.lineno}:{error.colno}") from error
    except RecursionError:
        raise ConfigError("is nested too deeply", where=str(path)) from None
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"not valid JSON: {error}", where=str(path)) from error
    if not isinstance(data, dict):
        raise ConfigError("should be an object { ... } of keys and values", where=str(path))
    return data
