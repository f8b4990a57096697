"""Certificates of HTTPS and of gRPC over TLS, read again when their files change, while connections go on."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import grpc

from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.settings import Tls

__all__ = ["Certificates"]

LOG = logging.getLogger("mlaas4hep.serve")


class Certificates:
    """A certificate and its key, in the two forms that the servers want.

    Args:
        tls: where they lie.

    Attributes:
        context: for HTTPS; new connections take what was read last.
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
        self._pem = self._read()
        self.context = _context()
        self.context.load_cert_chain(self._certificate, self._key)
        self.context.set_alpn_protocols(["http/1.1"])
        self._given: tuple[bytes, bytes] = self._pem

    def refresh(self) -> bool:
        """Read the files again if they have changed; files that do not fit are told in the log and left."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            pem = self._read()
            self.context.load_cert_chain(self._certificate, self._key)
        except (ConfigError, OSError) as error:
            LOG.error("the new certificate is not used: %s", error)
            return False
        self._pem = pem
        self.reloaded += 1
        LOG.info("certificate read again")
        return True

    def credentials(self) -> grpc.ServerCredentials:
        """For gRPC; asks for the latest certificate at every handshake."""
        return grpc.dynamic_ssl_server_credentials(self._configuration(), self._fetch)

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        if self._given == self._pem:
            return None
        return self._configuration()

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        self._given = self._pem
        chain, key = self._pem
        return grpc.ssl_server_certificate_configuration(((key, chain),))

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._key))

    def _read(self) -> tuple[bytes, bytes]:
        """Chain and key, which were seen to belong together."""
        place = f"{self._certificate}, {self._key}"
        for path in (self._certificate, self._key):
            if not path.is_file():
                raise ConfigError("no such file", where=str(path))
        try:
            _context().load_cert_chain(self._certificate, self._key, password=_no_password)
            return self._certificate.read_bytes(), self._key.read_bytes()
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).lower().replace("_", " ")
            raise ConfigError(f"certificate and key cannot be used ({reason})", where=place) from error
        except OSError as error:
            raise ConfigError(f"cannot be read ({error.strerror})", where=place) from error
        except ValueError as error:
            raise ConfigError(str(error), where=place) from error


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
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
