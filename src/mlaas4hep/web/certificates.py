"""Certificates of HTTPS and of gRPC over TLS, read again when their files change, while connections go on."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from mlaas4hep.errors import ConfigError
from mlaas4hep.web.settings import Tls

__all__ = ["Certificates"]

LOG = logging.getLogger("mlaas4hep.serve")


class Certificates:
    """Holds a certificate and its key, for both servers.

    Args:
        tls: where they lie.

    Attributes:
        context: for HTTPS; new connections take what was read last.
        http2: the same for gRPC.
        reloaded: how often they were read again.

    Raises:
        ConfigError: they cannot be read, or do not belong together.
    """

    def __init__(self, tls: Tls) -> None:
        if tls.certificate is None or tls.key is None:
            raise ConfigError("certificate and key are needed", where="tls")
        self._certificate, self._key = tls.certificate, tls.key
        self.reloaded = 0
        self._stamp = self._look()
        self._check()
        self.context, self.http2 = _context("http/1.1"), _context("h2")
        self._load()

    def refresh(self) -> bool:
        """Read the files again if they have changed; files that do not fit are told in the log and left."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._check()
            self._load()
        except (ConfigError, OSError) as error:
            LOG.error("the new certificate is not used: %s", error)
            return False
        self.reloaded += 1
        LOG.info("certificate read again")
        return True

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._key))

    def _load(self) -> None:
        for context in (self.context, self.http2):
            context.load_cert_chain(self._certificate, self._key)

    def _check(self) -> None:
        """Check that chain and key can be read and belong together."""
        files = f"{self._certificate}, {self._key}"
        for path in (self._certificate, self._key):
            if not path.is_file():
                raise ConfigError("no such file", where=str(path))
        try:
            _context("").load_cert_chain(self._certificate, self._key, password=_no_password)
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).lower().replace("_", " ")
            raise ConfigError(f"certificate and key cannot be used ({reason})", where=files) from error
        except OSError as error:
            raise ConfigError(f"cannot be read ({error.strerror})", where=files) from error
        except ValueError as error:
            raise ConfigError(str(error), where=files) from error


def _context(protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocol:
        context.set_alpn_protocols([protocol])
    return context


def _no_password() -> str:
    msg = "the key has a password"
    raise ValueError(msg)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
