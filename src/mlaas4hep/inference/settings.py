"""Settings of the server: from a YAML file, the environment (``MLAAS4HEP_SERVE_...``), options; the last wins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mlaas4hep.config.fields import Bytes, Names

__all__ = ["Limits", "Security", "Settings", "Tls"]

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


class Limits(Section):
    """What one client, request or model may take."""

    body: Bytes = Field(default=64 * 2**20, description="Bytes of a request body (predictions).")
    bodies: Bytes = Field(
        default=2**30, description="Bytes of all request bodies that a process holds at a time; 503 beyond that."
    )
    upload: Bytes = Field(default=2 * 2**30, description="Bytes of an upload, and of what its archive unpacks to.")
    rows: int = Field(default=1_000_000, gt=0, description="Rows a request.")
    keys: int = Field(default=10_000, gt=0, description="Keys of one event.")
    models: int = Field(default=1_000, gt=0, description="Models in the repository.")
    loaded: int = Field(default=10, gt=0, description="Models in memory at a time; the least recently used goes first.")
    timeout: float = Field(default=30.0, gt=0, description="Seconds a prediction may take.")
    conversion_timeout: float = Field(default=300.0, gt=0, description="Seconds the conversion of an upload may take.")
    conversion_memory: Bytes = Field(default=8 * 2**30, description="Bytes of memory for the conversion of an upload.")
    model_memory: Bytes = Field(
        default=8 * 2**30,
        description="Bytes that all ONNX models of a process may take for what they compute, and a model in a process "
        "of its own for everything.",
    )
    queue: int = Field(default=100_000, gt=0, description="Rows that may wait for one model.")
    read_timeout: float = Field(
        default=30.0,
        gt=0,
        description="Seconds for the head of a request, and for each 64 KiB of its body or of its answer.",
    )
    connections: int = Field(default=10_000, gt=0, description="Open HTTP connections of a process.")
    rate: Rate | None = Field(
        default=None, description="Requests of a client or a token's subject, e.g. `100-S`, `1000-M`."
    )


class Security(Section):
    """Who may do what. Without an issuer there is no authentication."""

    issuers: Annotated[Names, AfterValidator(_issuers)] = Field(
        default=(), description="OpenID issuers whose tokens are accepted."
    )
    audience: Names = Field(default=(), description="Accepted audiences; `https://wlcg.cern.ch/jwt/v1/any` too.")
    read_scope: str = Field(default="models.read", min_length=1, description="Scope for listing and describing.")
    predict_scope: str = Field(default="models.predict", min_length=1, description="Scope for predictions.")
    manage_scope: str = Field(
        default="models.manage", min_length=1, description="Scope for upload, delete, load, unload, label."
    )
    hosts: Names = Field(
        default=(),
        description="Without an issuer: names of the server besides loopback's, in the headers Host and Origin.",
    )
    unsandboxed_conversion: bool = Field(
        default=False, description="Convert models of others where neither bubblewrap nor unshare works."
    )
    open_metrics: bool = Field(default=False, description="Let everybody read /metrics.")
    leeway: float = Field(default=30.0, ge=0, le=600, description="Seconds that clocks may differ.")
    refresh: float = Field(default=300.0, gt=0, description="Seconds between looks at the issuers' keys.")
    keep: float = Field(
        default=86_400.0, gt=0, description="Seconds that keys stay in use while their issuer cannot be reached."
    )
    authorities: Path | None = Field(
        default=None, description="File or folder of certificate authorities for the issuers; null: the system's."
    )


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


class Settings(Section):
    """Everything the server can be told."""

    repository: Path = Field(default=Path("models"), description="Folder of the models.")
    host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on, or a name of it."
    )
    port: int = Field(default=8083, ge=0, le=65535, description="HTTP; 0: any free port.")
    grpc_port: int | None = Field(default=8001, ge=0, le=65535, description="gRPC; 0: any free port; null: none.")
    base_path: Annotated[str, AfterValidator(_base_path)] = Field(default="", description="Prefix of all HTTP paths.")
    workers: int = Field(default=1, ge=1, le=256, description="Server processes that share the ports.")
    threads: int = Field(default=1, ge=1, description="Threads of one prediction.")
    insecure: bool = Field(default=False, description="Bind to other addresses than loopback without authentication.")
    default_model: str | None = Field(default=None, description="Model of requests that name none.")
    poll: float = Field(default=1.0, gt=0, description="Seconds between looks at the repository for changes by others.")
    notice: float = Field(
        default=0.0, ge=0, description="Seconds that a stop still accepts while /health/ready says no, for balancers."
    )
    drain: float = Field(default=30.0, gt=0, description="Seconds that a stop waits for requests in flight.")
    log: Literal["text", "json"] = Field(default="json", description="Form of the log's lines.")
    log_file: Path | None = Field(default=None, description="Where to log; null: standard error. SIGHUP opens it anew.")
    log_requests: float = Field(
        default=0.0, ge=0, le=1, description="Share of the successful predictions and reads that are logged."
    )
    proxies: Names = Field(default=(), description="Addresses of proxies whose X-Forwarded-For is believed.")
    root_urls: Names = Field(default=(), description="Prefixes of URLs that /predict/root may read.")
    limits: Limits = Limits()
    security: Security = Security()
    tls: Tls = Tls()
