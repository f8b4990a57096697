"""Credentials: where they were found, and for how long they are valid."""

from __future__ import annotations

import time
from collections.abc import Iterator

from mlaas4hep.cli.doctor.check import Check
from mlaas4hep.credentials.check import find_all

__all__ = ["credentials"]

_PLACES = {
    "X.509 proxy": "X509_USER_PROXY, x509up_u$UID",
    "bearer token": "BEARER_TOKEN, BEARER_TOKEN_FILE, bt_u$UID",
    "CA certificates": "X509_CERT_DIR, /etc/grid-security/certificates",
    "S3 keys": "AWS_ACCESS_KEY_ID, ~/.aws",
    "Kerberos tickets": "KRB5CCNAME, /tmp/krb5cc_$UID",
}


def credentials() -> Iterator[Check]:
    """Give one check for each kind of credential."""
    now = time.time()
    for kind, found in find_all().items():
        if found is None:
            yield Check("credentials", kind, "absent", f"none in {_PLACES[kind]}")
            continue
        failed = found.expired(now) or found.problem is not None or found.exposed is not None
        parts = [found.place, found.about, found.validity(now) if failed or found.expires else "", failed * found.renew]
        yield Check(
            "credentials",
            kind,
            "failed" if failed else "ok",
            "; ".join(part for part in parts if part),
            {"place": found.place, "expires": found.expires},
        )
