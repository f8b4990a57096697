"""The X.509 proxy of this user: where it is, whom it names, how long it is valid."""

from __future__ import annotations

import os
import warnings
from functools import lru_cache
from pathlib import Path

from mlaas4hep.credentials.found import Credential
from mlaas4hep.credentials.places import exposed, is_own_file, temporary_folders

__all__ = ["KIND", "find", "find_file"]

KIND = "X.509 proxy"
_RENEW = "renew it with voms-proxy-init"


def find_file() -> str | None:
    """Return the proxy's file: that in X509_USER_PROXY, else ``x509up_u<uid>`` in a temporary folder; None: none.

    A file of another user does not count.
    """
    named = os.environ.get("X509_USER_PROXY")
    usual = [folder / f"x509up_u{os.getuid()}" for folder in temporary_folders()]
    paths = [*([Path(named)] if named else []), *usual]
    return next((str(path) for path in paths if is_own_file(path)), None)


def find() -> Credential | None:
    """Return the proxy as it may be shown; it ends with the first certificate of its chain that does."""
    path, named = find_file(), os.environ.get("X509_USER_PROXY")
    if path is None:
        return Credential(KIND, f"X509_USER_PROXY={named}", problem="no such file", renew=_RENEW) if named else None
    place = f"X509_USER_PROXY={path}" if path == named else path
    try:
        facts = Path(path).stat()
        expires, subject = _validity(path, facts.st_mtime_ns, facts.st_size)
    except OSError as error:
        return Credential(KIND, place, problem=f"cannot be read ({error.strerror})", renew=_RENEW)
    except ValueError:
        return Credential(KIND, place, problem="holds no certificate in PEM form", renew=_RENEW)
    return Credential(KIND, place, expires, _RENEW, subject, exposed=exposed(Path(path)), file=Path(path))


@lru_cache(maxsize=8)
def _validity(path: str, changed: int, size: int) -> tuple[float, str]:
    """End of validity in seconds since 1970, and the subject of the person's certificate."""
    del changed, size  # a renewed file is read anew
    from cryptography import x509

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # serial numbers of some authorities' certificates
        chain = x509.load_pem_x509_certificates(Path(path).read_bytes())
        expires = min(certificate.not_valid_after_utc.timestamp() for certificate in chain)
        return expires, chain[-1].subject.rfc4514_string()
