"""A certificate authority like those of the grid: certificates of hosts and persons, proxies of these, and tokens."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

__all__ = ["Authority", "Person", "unsigned_token"]

_PROXY = x509.UnrecognizedExtension(
    ObjectIdentifier("1.3.6.1.5.5.7.1.14"), bytes.fromhex("300c300a06082b06010505071501")
)
"""RFC 3820: the proxy inherits all rights."""


@dataclass
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )


class Authority:
    """An authority; its certificate lies under its hash in ``folder``, for X509_CERT_DIR."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("the program openssl is not installed")
        self.folder = folder
        self.name = _name(name)
        key = _key()
        self._own = Pair(_signed(self.name, key, self.name, key, timedelta(days=30), authority=True), key)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._own.pem())
        subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)

    def host(self, folder: Path, *names: str) -> tuple[Path, Path]:
        """Files with the certificate of a host and its key."""
        key = _key()
        pair = Pair(_signed(_name(names[0]), key, self.name, self._own.key, timedelta(days=10), names=names), key)
        folder.mkdir(parents=True, exist_ok=True)
        certificate, secret = folder / "hostcert.pem", folder / "hostkey.pem"
        certificate.write_bytes(pair.pem())
        secret.write_bytes(pair.key_pem())
        secret.chmod(0o600)
        return certificate, secret

    def person(self, name: str = "Ada Physicist") -> Person:
        """Somebody with a certificate."""
        key = _key()
        return Person(Pair(_signed(_name(name), key, self.name, self._own.key, timedelta(days=10)), key))


class Person:
    """Somebody who can make proxies."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def proxy(self, path: Path, lifetime: timedelta = timedelta(hours=12)) -> datetime:
        """Write a proxy as ``voms-proxy-init`` does; return when it ends."""
        name = x509.Name([*self._pair.certificate.subject, x509.NameAttribute(NameOID.COMMON_NAME, "1234567")])
        key = _key()
        made = Pair(_signed(name, key, self._pair.certificate.subject, self._pair.key, lifetime, proxy=True), key)
        beside = path.with_name(path.name + ".new")
        beside.touch(mode=0o600)
        beside.write_bytes(made.pem() + made.key_pem() + self._pair.pem())
        beside.replace(path)
        return made.certificate.not_valid_after_utc


def unsigned_token(**claims: object) -> str:
    """A token that nobody would trust, to be looked at only."""
    parts = ({"alg": "none"}, claims)
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "c2ln"])


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(text: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example"),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ]
    )


def _signed(
    subject: x509.Name,
    key: rsa.RSAPrivateKey,
    issuer: x509.Name,
    by: rsa.RSAPrivateKey,
    lifetime: timedelta,
    *,
    names: tuple[str, ...] = (),
    authority: bool = False,
    proxy: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    begin = min(now, now + lifetime) - timedelta(hours=1)
    made = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), begin, now + lifetime)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=not authority,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if proxy:
        return made.add_extension(_PROXY, critical=True).sign(by, hashes.SHA256())
    made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if names:
        general = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        made = made.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return made.sign(by, hashes.SHA256())
