"""Settings of the server: from a YAML file, the environment (``MLAAS4HEP_SERVE_...``), options; the last wins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from mlaas4hep.config.fields import Bytes, Names
from mlaas4hep.web.rights import Right
from mlaas4hep.web.settings import WebLimits, WebSecurity, WebSettings

__all__ = ["Limits", "Security", "Settings"]


class Limits(WebLimits):
    """What one client, request or model may take."""

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


class Security(WebSecurity):
    """Who may do what. Without an issuer there is no authentication."""

    read_scope: str = Field(default="models.read", min_length=1, description="Scope for listing and describing.")
    predict_scope: str = Field(default="models.predict", min_length=1, description="Scope for predictions.")
    manage_scope: str = Field(
        default="models.manage", min_length=1, description="Scope for upload, delete, load, unload, label."
    )
    unsandboxed_conversion: bool = Field(
        default=False, description="Convert models of others where neither bubblewrap nor unshare works."
    )

    @property
    def scopes(self) -> Mapping[Right, str]:
        """Return the scope that a token must have for each right."""
        return {
            Right.READ: self.read_scope,
            Right.PREDICT: self.predict_scope,
            Right.MANAGE: self.manage_scope,
        }


class Settings(WebSettings):
    """Everything the server can be told."""

    repository: Path = Field(default=Path("models"), description="Folder of the models.")
    grpc_port: int | None = Field(default=8001, ge=0, le=65535, description="gRPC; 0: any free port; null: none.")
    threads: int = Field(default=1, ge=1, description="Threads of one prediction.")
    default_model: str | None = Field(default=None, description="Model for requests that name none.")
    poll: float = Field(default=1.0, gt=0, description="Seconds between looks at the repository for changes by others.")
    root_urls: Names = Field(default=(), description="Prefixes of URLs that /predict/root may read.")
    limits: Limits = Limits()
    security: Security = Security()
