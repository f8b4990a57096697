"""Bearer tokens by the WLCG's discovery: two variables, then a file of this user in two folders."""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Any

from mlaas4hep.credentials.found import Credential
from mlaas4hep.credentials.places import exposed, is_own_file, temporary_folders
from mlaas4hep.errors import ConfigError

__all__ = ["KIND", "claims", "find", "find_token"]

KIND = "bearer token"
_RENEW = "renew it with oidc-token or htgettoken"


def find_token() -> str | None:
    """Return the token: from BEARER_TOKEN, BEARER_TOKEN_FILE, then the file ``bt_u<uid>``; None if there is none.

    The file is looked for in ``$XDG_RUNTIME_DIR`` and the temporary folders. It is read anew at each call, so that a
    renewed token is found.

    Raises:
        ConfigError: the file cannot be read.
    """
    token = os.environ.get("BEARER_TOKEN", "").strip()
    if token:
        return token
    path = _file()
    named = os.environ.get("BEARER_TOKEN_FILE")
    return None if path is None else _read(path, "look at BEARER_TOKEN_FILE" if named else "renew or remove the file")


def find() -> Credential | None:
    """Return the token that `find_token` gives, as it may be shown; its signature is not verified."""
    path = _file()
    if os.environ.get("BEARER_TOKEN", "").strip():
        place = "BEARER_TOKEN"
    elif path is None:
        return None
    else:
        place = f"BEARER_TOKEN_FILE={path}" if os.environ.get("BEARER_TOKEN_FILE") else str(path)
    try:
        token = find_token()
    except ConfigError as error:
        return Credential(KIND, place, renew=_RENEW, problem=error.what)
    if token is None:
        return Credential(KIND, place, renew=_RENEW, problem="the file is empty")
    found = claims(token)
    expires, issuer = found.get("exp"), found.get("iss")
    valid = isinstance(expires, int | float) and not isinstance(expires, bool)
    about = f"issued by {issuer}" if isinstance(issuer, str) else ""
    readable = None if path is None or place == "BEARER_TOKEN" else exposed(path)
    end = float(expires) if valid else None  # type: ignore[arg-type]
    return Credential(KIND, place, end, _RENEW, about, exposed=readable)


def claims(token: str) -> dict[str, Any]:
    """Return what a JSON web token claims, unverified; nothing for a token of another kind."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _file() -> Path | None:
    named = os.environ.get("BEARER_TOKEN_FILE")
    if named:
        return Path(named)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folders = [*([Path(runtime)] if runtime else []), *temporary_folders()]
    paths = (folder / f"bt_u{os.getuid()}" for folder in folders)
    return next((path for path in paths if is_own_file(path)), None)


def _read(path: Path, hint: str) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not text"
    raise ConfigError(f"the token cannot be read ({reason})", where=str(path), hint=hint)
