"""Settings of the server: from a YAML file, from the environment (``MLAAS4HEP_SERVE_...``), from options; the last wins."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Limits", "Security", "Settings", "Tls"]


class Section(BaseModel):
    """Base of all sections: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(Section):
    """What one client, request or model may take."""

    body: int = Field(default=64 * 2**20, gt=0, description="Bytes of a request body (predictions).")
    upload: int = Field(default=2 * 2**30, gt=0, description="Bytes of an upload, and of what its archive unpacks to.")
    rows: int = Field(default=1_000_000, gt=0, description="Rows a request.")
    keys: int = Field(default=10_000, gt=0, description="Keys of one event.")
    models: int = Field(default=1_000, gt=0, description="Models in the repository.")
    loaded: int = Field(default=10, gt=0, description="Models in memory at a time; the least recently used goes first.")
    timeout: float = Field(default=30.0, gt=0, description="Seconds a prediction may take.")
    conversion_timeout: float = Field(default=300.0, gt=0, description="Seconds the conversion of an upload may take.")
    conversion_memory: int = Field(default=8 * 2**30, gt=0, description="Bytes of memory for a conversion or a worker.")
    queue: int = Field(default=10_000, gt=0, description="Rows that may wait for one model.")
    read_timeout: float = Field(default=30.0, gt=0, description="Seconds within which a request must have arrived.")
    rate: str | None = Field(default=None, description="Requests a client and address, e.g. `100-S`, `1000-M`.")


class Security(Section):
    """Who may do what. Without an issuer there is no authentication."""

    issuers: tuple[str, ...] = Field(default=(), description="OpenID issuers whose tokens are accepted.")
    audience: tuple[str, ...] = Field(default=(), description="Accepted audiences; `https://wlcg.cern.ch/jwt/v1/any` too.")
    read_scope: str = Field(default="models.read", description="Scope for listing and describing.")
    predict_scope: str = Field(default="models.predict", description="Scope for predictions.")
    manage_scope: str = Field(default="models.manage", description="Scope for upload, delete, load, unload, label.")


class Tls(Section):
    """HTTPS. The files are read again when they change."""

    certificate: Path | None = None
    key: Path | None = None


class Settings(Section):
    """Everything the server can be told."""

    repository: Path = Path("models")
    host: str = "127.0.0.1"
    port: int = Field(default=8083, ge=0, le=65535, description="HTTP; 0: any free port.")
    grpc_port: int | None = Field(default=8001, ge=0, le=65535, description="gRPC; null: none.")
    base_path: str = Field(default="", description="Prefix of all HTTP paths.")
    workers: int = Field(default=1, ge=1, description="Server processes that share the ports.")
    threads: int = Field(default=1, ge=1, description="Threads of one prediction.")
    insecure: bool = Field(default=False, description="Bind to other addresses than loopback without authentication.")
    default_model: str | None = Field(default=None, description="Model of requests that name none.")
    poll: float = Field(default=1.0, gt=0, description="Seconds between looks at the repository for changes by others.")
    drain: float = Field(default=30.0, gt=0, description="Seconds that a stop waits for requests in flight.")
    log: Literal["text", "json"] = "json"
    log_file: Path | None = None
    root_urls: tuple[str, ...] = Field(default=(), description="Prefixes of URLs that /predict/root may read.")
    limits: Limits = Limits()
    security: Security = Security()
    tls: Tls = Tls()
