"""What servers can be told about connections, access, logs and limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mlaas4hep.config.fields import Bytes, Names
from mlaas4hep.web.rights import Right

__all__ = ["Section", "Tls", "WebLimits", "WebSecurity", "WebSettings"]

_RATE = re.compile(r"[1-9][0-9]{0,8}-[SMHD]", re.IGNORECASE)
_LOCAL = ("localhost", "127.0.0.1", "::1")


class Section(BaseModel):
    """Base of all sections: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _rate(value: str) -> str:
    if not _RATE.fullmatch(value):
        msg = "should be a number and a unit, S, M, H or D, such as '100-S'"
        raise ValueError(msg)
    return value.upper()


def _issuers(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        parts = urlsplit(value)
        local = parts.scheme == "http" and parts.hostname in _LOCAL
        if not parts.hostname or (parts.scheme != "https" and not local) or parts.query or parts.fragment:
            msg = f"should be an https URL, is {value!r}"
            raise ValueError(msg)
    return values


def _base_path(value: str) -> str:
    plain = value.strip("/")
    if not re.fullmatch(r"[A-Za-z0-9._~/-]*", plain) or any(
        part in ("", ".", "..") for part in plain.split("/") if plain
    ):
        msg = "should be a path such as '/ml'"
        raise ValueError(msg)
    return f"/{plain}" if plain else ""


def _host(value: str) -> str:
    plain = value.strip()
    return plain[1:-1] if plain.startswith("[") and plain.endswith("]") else plain


Rate: TypeAlias = Annotated[str, AfterValidator(_rate)]


class WebLimits(Section):
    """What one client or request may take."""

    body: Bytes = Field(default=64 * 2**20, description="Bytes of a request body (predictions).")
    bodies: Bytes = Field(
        default=2**30, description="Bytes of all request bodies that a process holds at a time; 503 beyond that."
    )
    upload: Bytes = Field(default=2 * 2**30, description="Bytes of an upload, and of what its archive unpacks to.")
    read_timeout: float = Field(
        default=30.0,
        gt=0,
        description="Seconds for the head of a request, and for each 64 KiB of its body or of its answer.",
    )
    connections: int = Field(default=10_000, gt=0, description="Open HTTP connections of a process.")
    rate: Rate | None = Field(
        default=None, description="Requests of a client or a token's subject, e.g. `100-S`, `1000-M`."
    )


class WebSecurity(Section):
    """Who may do what. Without an issuer there is no authentication."""

    issuers: Annotated[Names, AfterValidator(_issuers)] = Field(
        default=(), description="OpenID issuers whose tokens are accepted."
    )
    audience: Names = Field(default=(), description="Accepted audiences; `https://wlcg.cern.ch/jwt/v1/any` too.")
    hosts: Names = Field(
        default=(),
        description="Without an issuer: names of the server besides loopback's, in the headers Host and Origin.",
    )
    open_metrics: bool = Field(default=False, description="Let anyone read /metrics.")
    leeway: float = Field(default=30.0, ge=0, le=600, description="Seconds that clocks may differ.")
    refresh: float = Field(default=300.0, gt=0, description="Seconds between looks at the issuers' keys.")
    keep: float = Field(
        default=86_400.0, gt=0, description="Seconds that keys stay in use while their issuer cannot be reached."
    )
    authorities: Path | None = Field(
        default=None, description="File or folder of certificate authorities for the issuers; null: the system's."
    )

    @property
    def scopes(self) -> Mapping[Right, str]:
        """Return the scope that a token must have for each right."""
        raise NotImplementedError


class Tls(Section):
    """HTTPS, and gRPC over TLS. The files are read again when they change."""

    certificate: Path | None = Field(default=None, description="PEM file of the certificate and its chain.")
    key: Path | None = Field(default=None, description="PEM file of the key, without a password.")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            msg = "needs both `certificate` and `key`"
            raise ValueError(msg)
        return self


class WebSettings(Section):
    """Of a server, beside what it serves."""

    host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on, or a name of it."
    )
    port: int = Field(default=8083, ge=0, le=65535, description="HTTP; 0: any free port.")
    base_path: Annotated[str, AfterValidator(_base_path)] = Field(default="", description="Prefix of all HTTP paths.")
    workers: int = Field(default=1, ge=1, le=256, description="Server processes that share the ports.")
    insecure: bool = Field(default=False, description="Bind to other addresses than loopback without authentication.")
    notice: float = Field(
        default=0.0, ge=0, description="Seconds that a stop still accepts while /health/ready says no, for balancers."
    )
    drain: float = Field(default=30.0, gt=0, description="Seconds that a stop waits for requests in flight.")
    log: Literal["text", "json"] = Field(default="json", description="Form of the log's lines.")
    log_file: Path | None = Field(default=None, description="Where to log; null: standard error. SIGHUP reopens it.")
    log_requests: float = Field(
        default=0.0, ge=0, le=1, description="Share of the successful predictions and reads that are logged."
    )
    proxies: Names = Field(default=(), description="Addresses of proxies whose X-Forwarded-For is believed.")
    limits: WebLimits = WebLimits()
    security: WebSecurity = WebSecurity()
    tls: Tls = Tls()
