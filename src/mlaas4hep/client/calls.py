"""The calls of the inference server as plain data, so that the two clients differ in waiting only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlaas4hep.client.events import BINARY, encode_events, encode_matrix, matrix_of, scores_of
from mlaas4hep.errors import FileReadError, MLaaS4HEPError

if TYPE_CHECKING:
    import httpx

__all__ = ["Call", "ServerError", "failure"]


class ServerError(MLaaS4HEPError):
    """The server refused a request; `status` is the HTTP status, 0 if there was no answer at all."""

    def __init__(self, what: str, *, status: int = 0, where: str | None = None, hint: str | None = None) -> None:
        self.status = status
        super().__init__(what, where=where, hint=hint)


@dataclass(frozen=True)
class Call:
    """One request and how to read its answer.

    Attributes:
        method, path: of the request.
        read: from the answer to what the caller gets.
        arguments: further ones of ``httpx.Client.request``.
        file: sent as the body, piece by piece.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Any] = lambda answer: answer.json() if answer.content else None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None


def predict(events: Any, model: str | None, version: str) -> Call:
    """Scores of events, float32 [N, K]."""
    matrix = matrix_of(events)
    if matrix is not None and model:
        body, headers = encode_matrix(matrix)
        return Call(
            "POST",
            f"/v2/models/{_part(model)}{_version(version, '/versions/')}/infer",
            lambda answer: scores_of(answer.content, answer.headers.get(BINARY)),
            {"content": body, "headers": headers},
        )
    data: dict[str, Any] = {"rows": matrix.tolist()} if matrix is not None else encode_events(events)
    data |= {"model": model} if model else {}
    data |= {"version": version} if version else {}
    return Call("POST", "/predict", _scores, {"json": data})


def row(keys: list[str], values: list[Any], model: str | None) -> Call:
    """TFaaS's call: one event, its probabilities as a list."""
    data = {"keys": keys, "values": values, **({"model": model} if model else {})}
    return Call("POST", "/json", arguments={"json": data})


def image(file: Path, model: str) -> Call:
    """TFaaS's call for an image."""
    files = {"image": (file.name, file.read_bytes())}
    return Call("POST", "/image", arguments={"files": files, "data": {"model": model}})


def params() -> Call:
    """TFaaS's list of models: their params.json."""
    return Call("GET", "/models")


def upload_parts(description: Mapping[str, Any], folder: Path) -> Call:
    """TFaaS's form: the original client's upload.json names the model and its files.

    Args:
        description: ``name`` and the paths of ``params``, ``model`` and ``labels``, relative to the folder.
        folder: where upload.json lies.
    """
    files = {}
    for role in ("params", "model", "labels"):
        if role in description:
            path = folder / str(description[role])
            if not path.is_file():
                raise FileReadError("no such file", where=str(path), hint=f"look at {role!r} in the upload description")
            files[role] = (path.name, path.read_bytes())
    return Call("POST", "/upload", arguments={"data": {"name": str(description.get("name", ""))}, "files": files})


def models() -> Call:
    """All models with their versions."""
    return Call("GET", "/api/models", lambda answer: answer.json()["models"])


def metadata(model: str, version: str) -> Call:
    """What a model takes and gives."""
    return Call("GET", f"/api/models/{_part(model)}{_version(version, '/versions/')}/metadata")


def upload(file: Path, name: str | None) -> Call:
    """Add a version from a bundle or a foreign model."""
    arguments = {"params": {"name": name} if name else {}, "headers": {"content-type": "application/octet-stream"}}
    return Call("POST", "/api/models", arguments=arguments, file=file)


def delete(model: str, version: str) -> Call:
    """Remove a model or a version."""
    return Call("DELETE", f"/api/models/{_part(model)}{_version(version, '/versions/')}")


def act(model: str, version: str, action: str) -> Call:
    """Load or unload."""
    return Call("POST", f"/api/models/{_part(model)}{_version(version, '/versions/')}/{action}")


def label(model: str, label: str, version: str | None) -> Call:
    """Point a label to a version, or remove it."""
    path = f"/api/models/{_part(model)}/labels/{_part(label)}"
    return Call("DELETE", path) if version is None else Call("PUT", path, arguments={"json": {"version": version}})


def configure(model: str, changes: Mapping[str, Any]) -> Call:
    """Change batching or the canary share."""
    return Call("PATCH", f"/api/models/{_part(model)}", arguments={"json": dict(changes)})


def download(model: str, version: str) -> Call:
    """The whole version as a tar.gz."""
    return Call("GET", f"/download/{_part(model)}{_version(version, '/')}")


def status() -> Call:
    """Memory, load, uptime, counters."""
    return Call("GET", "/status")


def failure(answer: httpx.Response) -> ServerError:
    """The error for an answer that is none of success."""
    try:
        text = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        text = answer.reason_phrase or "the request failed"
    hint = {401: "get a token (BEARER_TOKEN)", 403: "the token lacks a scope"}.get(answer.status_code)
    return ServerError(f"{text} (status {answer.status_code})", status=answer.status_code, hint=hint)


def _scores(answer: httpx.Response) -> Any:
    import numpy as np

    return np.array(answer.json()["scores"], dtype=np.float32)


def _part(text: str) -> str:
    return quote(text, safe="")


def _version(version: str, before: str) -> str:
    return f"{before}{_part(version)}" if version else ""
