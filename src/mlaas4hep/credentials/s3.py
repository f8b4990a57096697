"""Keys for S3, where Amazon's own tools look for them."""

from __future__ import annotations

import configparser
import os
from datetime import datetime
from pathlib import Path

from mlaas4hep.credentials.found import Credential

__all__ = ["FILES", "KIND", "find"]

KIND = "S3 keys"
FILES = (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config"))
"""Variables that name a file of profiles, and the file without them."""

_RENEW = "renew them where you got them"


def find() -> Credential | None:
    """Return where the keys are: AWS_ACCESS_KEY_ID and others, else a profile of ``~/.aws``; None: there are none."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    about = f"endpoint {endpoint}" if endpoint else ""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        problem = None if os.environ.get("AWS_SECRET_ACCESS_KEY") else "AWS_SECRET_ACCESS_KEY is not set"
        expires = _seconds(os.environ.get("AWS_CREDENTIAL_EXPIRATION"))
        return Credential(KIND, "AWS_ACCESS_KEY_ID", expires, _RENEW, about, problem)
    profile = os.environ.get("AWS_PROFILE", "default")
    paths = [Path(os.environ.get(name, usual)) for name, usual in FILES]
    for path, section in zip(paths, (profile, _section(profile)), strict=True):
        if _has(path, section):
            return Credential(KIND, f"{path} (profile {profile})", renew=_RENEW, about=about)
    if "AWS_PROFILE" in os.environ:
        return Credential(KIND, f"AWS_PROFILE={profile}", renew=_RENEW, about=about, problem="no such profile")
    return None


def _section(profile: str) -> str:
    return profile if profile == "default" else f"profile {profile}"


def _has(path: Path, section: str) -> bool:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path.expanduser(), encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError, RuntimeError):
        return False
    return parser.has_section(section) and any(name in _KEYS for name in parser.options(section))


_KEYS = ("aws_access_key_id", "credential_process", "role_arn", "sso_session", "sso_start_url")


def _seconds(date: str | None) -> float | None:
    try:
        return None if date is None else datetime.fromisoformat(date).timestamp()
    except ValueError:
        return None
