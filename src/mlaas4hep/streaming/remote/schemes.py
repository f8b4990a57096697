"""The one table of ways to reach files on servers, by the scheme of their URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.credentials import bearer, kerberos, x509
from mlaas4hep.credentials import s3 as s3_keys
from mlaas4hep.credentials.check import refuse_expired
from mlaas4hep.streaming.remote import hadoop, s3, xrootd, xrootd_folders
from mlaas4hep.streaming.remote.http import versions as http
from mlaas4hep.streaming.remote.http.transport import HttpTransport
from mlaas4hep.streaming.remote.transport import FsspecTransport, Transport
from mlaas4hep.streaming.remote.xrootd_transport import XRootDTransport

__all__ = ["SCHEMES", "Scheme", "scheme_of"]


def filesystem_listing(folder: str) -> Iterator[tuple[str, bool]]:
    """Give what is in a folder, as any file system of fsspec does; see `Scheme`."""
    import fsspec

    system, path = fsspec.core.url_to_fs(folder)
    for entry in system.ls(path, detail=True):
        name = str(entry["name"]).rstrip("/")
        if name != path.rstrip("/"):  # an object that stands for the folder
            yield name.rsplit("/", 1)[-1], entry["type"] == "directory"


@dataclass(frozen=True)
class Scheme:
    """One way to reach files.

    Attributes:
        names: schemes of its URLs.
        facts: asks the server what tells one version of a file from the next, within 20 seconds: names and values,
            none of them true if it tells nothing.
        prepare: is called before a file is opened; raises `FrameworkMissingError` without the client it needs,
            `CredentialError` if the credentials it would show have expired.
        listing: gives what is in a folder, whose URL ends with a slash: the name of each, and whether it is a folder.
        credentials: kinds that its servers may ask for, see `mlaas4hep.credentials.check.FINDERS`.
        transport: opens a file by its URL and the policy.
    """

    names: tuple[str, ...]
    facts: Callable[[str], dict[str, Any]]
    prepare: Callable[[], None] = lambda: None
    credentials: tuple[str, ...] = ()
    listing: Callable[[str], Iterable[tuple[str, bool]]] = filesystem_listing
    transport: Callable[[str, Remote], Transport] = FsspecTransport


def _filesystem_facts(location: str) -> dict[str, Any]:
    """What any file system of fsspec tells."""
    import fsspec

    system, path = fsspec.core.url_to_fs(location)
    info = system.info(path)
    facts = {name: info.get(name) for name in _FACTS}
    return {**facts, "size": info.get("size")} if any(facts.values()) else {}


_FACTS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "modified", "updated", "checksum", "md5", "md5Hash")
"""What fsspec's file systems call the version of a file."""

_XROOTD_CREDENTIALS = (x509.KIND, bearer.KIND, kerberos.KIND)


def _prepare_xrootd() -> None:
    xrootd.configure()
    refuse_expired(_XROOTD_CREDENTIALS)


_HTTPS_CREDENTIALS = (bearer.KIND, x509.KIND)


def _prepare_https() -> None:
    refuse_expired(_HTTPS_CREDENTIALS)


def _prepare_s3() -> None:
    s3.prepare()
    refuse_expired([s3_keys.KIND])


SCHEMES = (
    Scheme(
        xrootd.NAMES,
        xrootd.facts,
        prepare=_prepare_xrootd,
        credentials=_XROOTD_CREDENTIALS,
        listing=xrootd_folders.listing,
        transport=XRootDTransport,
    ),
    Scheme(http.NAMES, http.facts, listing=http.folder, transport=HttpTransport),
    Scheme(
        http.SECURE,
        http.facts,
        prepare=_prepare_https,
        listing=http.folder,
        credentials=_HTTPS_CREDENTIALS,
        transport=HttpTransport,
    ),
    Scheme(s3.NAMES, s3.facts, prepare=_prepare_s3, credentials=(s3_keys.KIND,)),
    Scheme(hadoop.WEB, hadoop.facts, prepare=hadoop.prepare_web, credentials=(kerberos.KIND,)),
    Scheme(hadoop.NATIVE, hadoop.facts, prepare=hadoop.prepare_native, credentials=(kerberos.KIND,)),
)
_OTHER = Scheme((), _filesystem_facts)


def scheme_of(location: str) -> Scheme:
    """Return how a URL is reached: as the table says, or as fsspec knows."""
    name = location.partition("://")[0].lower()
    return next((scheme for scheme in SCHEMES if name in scheme.names), _OTHER)
