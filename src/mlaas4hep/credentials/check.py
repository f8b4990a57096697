"""All kinds of credentials in one table; an expired one is refused before the work begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from mlaas4hep.credentials import authorities, bearer, kerberos, s3, x509
from mlaas4hep.credentials.found import Credential
from mlaas4hep.errors import CredentialError

__all__ = ["FINDERS", "explain", "find_all", "refuse_expired"]

FINDERS: Final[dict[str, Callable[[], Credential | None]]] = {
    module.KIND: module.find for module in (x509, bearer, authorities, s3, kerberos)
}


def find_all() -> dict[str, Credential | None]:
    """Return what was found of each kind; None where there is none."""
    return {kind: find() for kind, find in FINDERS.items()}


def refuse_expired(kinds: Iterable[str]) -> None:
    """See that of the credentials a server may ask for not all that could be used have expired.

    Args:
        kinds: keys of `FINDERS`.

    Raises:
        CredentialError: they have; names the first of them.
    """
    now = time.time()
    found = [credential for kind in kinds if (credential := FINDERS[kind]()) is not None]
    expired = [credential for credential in found if credential.expired(now)]
    if expired and all(credential in expired or credential.problem is not None for credential in found):
        first = expired[0]
        hint = f"{first.renew}, or remove it where none is needed"
        raise CredentialError(f"the {first.kind} {first.validity(now)}", where=first.place, hint=hint)


def explain(kinds: Iterable[str]) -> str:
    """Return what a server that refused its client may have against the credentials, in one clause with advice.

    Args:
        kinds: keys of `FINDERS`, those that the server may ask for; at least one.
    """
    now = time.time()
    names = list(kinds)
    found = [credential for kind in names if (credential := FINDERS[kind]()) is not None]
    if not found:
        return f"none of these was found: {', '.join(names)} (mlaas4hep doctor shows where they are looked for)"
    return "; ".join(f"the {one.kind} in {one.place}: {one.validity(now)}" for one in found)
