"""Kerberos tickets: which cache would be used. What is in it is for Kerberos' own tools to say."""

from __future__ import annotations

import os
from pathlib import Path

from mlaas4hep.credentials import places
from mlaas4hep.credentials.found import Credential
from mlaas4hep.credentials.places import is_own_file

__all__ = ["KIND", "find"]

KIND = "Kerberos tickets"
_RENEW = "run kinit; klist shows for how long they are valid"


def find() -> Credential | None:
    """Return the cache of tickets: KRB5CCNAME, else the usual file of this user; None: there is none."""
    named = os.environ.get("KRB5CCNAME")
    if not named:
        usual = places.USUAL / f"krb5cc_{os.getuid()}"
        return Credential(KIND, str(usual), renew=_RENEW) if is_own_file(usual) else None
    kind, colon, rest = named.partition(":")
    in_files = not colon or kind.upper() in {"FILE", "DIR"}
    missing = in_files and not Path(rest if colon else named).exists()
    return Credential(KIND, f"KRB5CCNAME={named}", renew=_RENEW, problem="no such file" if missing else None)
