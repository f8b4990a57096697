"""The calls of the inference server as plain data, so that the two clients differ in waiting only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlaas4hep.client.events import BINARY, body_of, encode_events, encode_matrix, matrix_of, scores_of, tensors_of
from mlaas4hep.errors import ConfigError, FileReadError, MLaaS4HEPError

if TYPE_CHECKING:
    import httpx

__all__ = ["Call", "ServerError", "failure"]

JSON = {"content-type": "application/json"}
LARGE = 1000
PATIENCE = 600.0
LONGEST = 2000


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
        patience: seconds to wait at least for the answer.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Any] = lambda answer: answer.json() if answer.content else None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    patience: float = 0.0


def is_large(events: Any, model: str | None) -> bool:
    """True if the events should travel as bytes, for which the model's own metadata are needed."""
    matrix = matrix_of(events)
    return bool(model) and matrix is not None and len(matrix) >= LARGE


def predict(events: Any, model: str | None, version: str, described: Mapping[str, Any] | None = None) -> Call:
    """Scores of events, float32 [N, K]; with the model's metadata a matrix travels as bytes."""
    matrix = matrix_of(events)
    names = tensors_of(described) if described is not None else None
    if matrix is not None and model and names is not None:
        body, headers = encode_matrix(matrix, names)
        return Call(
            "POST",
            f"/v2/models/{_part(model)}{_version(version, '/versions/')}/infer",
            lambda answer: scores_of(answer.content, answer.headers.get(BINARY)),
            {"content": body, "headers": headers},
        )
    data: dict[str, Any] = {"rows": matrix.tolist()} if matrix is not None else encode_events(events)
    data |= {"model": model} if model else {}
    data |= {"version": version} if version else {}
    return Call("POST", "/predict", _scores, {"content": body_of(data), "headers": JSON})


def row(keys: Sequence[str], values: Sequence[Any], model: str | None, version: str) -> Call:
    """TFaaS's call: one event, its probabilities as a list."""
    data: dict[str, Any] = {"keys": list(keys), "values": list(values)}
    data |= {"model": model} if model else {}
    data |= {"version": version} if version else {}
    return Call("POST", "/json", arguments={"content": body_of(data), "headers": JSON})


def image(file: Path, model: str) -> Call:
    """TFaaS's call for an image."""
    files = {"image": (file.name, _content(file))}
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
    if not description.get("model"):
        raise ConfigError(
            "the upload description names no model", hint="give name, model, and perhaps params and labels"
        )
    files = {}
    for role in ("params", "model", "labels"):
        if role in description:
            path = folder / str(description[role])
            files[role] = (path.name, _content(path, f"look at {role!r} in the upload description"))
    arguments = {"data": {"name": str(description.get("name", ""))}, "files": files}
    return Call("POST", "/upload", arguments=arguments, patience=PATIENCE)


def models() -> Call:
    """All models with their versions."""
    return Call("GET", "/api/models", lambda answer: answer.json()["models"])


def metadata(model: str, version: str) -> Call:
    """What a model takes and gives."""
    return Call("GET", f"/api/models/{_part(model)}{_version(version, '/versions/')}/metadata")


def upload(file: Path, name: str | None, version: str) -> Call:
    """Add a version from a bundle or a foreign model."""
    if not file.is_file():
        name_of = file.resolve().name
        hint = f"pack it first, e.g. tar -czf {name_of}.tar.gz -C {file} ." if file.is_dir() else None
        raise FileReadError("is a folder, not a file" if hint else "no such file", where=str(file), hint=hint)
    params = {"filename": file.name, **({"name": name} if name else {}), **({"version": version} if version else {})}
    headers = {"content-type": "application/octet-stream", "content-length": str(file.stat().st_size)}
    return Call("POST", "/api/models", arguments={"params": params, "headers": headers}, file=file, patience=PATIENCE)


def delete(model: str, version: str) -> Call:
    """Remove a model or a version."""
    return Call("DELETE", f"/api/models/{_part(model)}{_version(version, '/versions/')}")


def act(model: str, version: str, action: str) -> Call:
    """Load or unload."""
    path = f"/api/models/{_part(model)}{_version(version, '/versions/')}/{action}"
    return Call("POST", path, patience=PATIENCE)


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
    """The error for an answer that is not one of success."""
    try:
        text = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        text = answer.reason_phrase or "the request failed"
    hint = {401: "a token is taken from BEARER_TOKEN or BEARER_TOKEN_FILE"}.get(answer.status_code)
    text = " ".join(text.split())[:LONGEST]
    return ServerError(f"{text} (status {answer.status_code})", status=answer.status_code, hint=hint)


def _scores(answer: httpx.Response) -> Any:
    import numpy as np

    found = answer.json()
    scores = np.array(found["scores"], dtype=np.float32)  # null becomes NaN
    return scores if len(scores) else scores.reshape(0, len(found["classes"]))


def _content(file: Path, hint: str | None = None) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise FileReadError(reason, where=str(file), hint=hint) from error


def _part(text: str) -> str:
    return quote(text, safe="")


def _version(version: str, before: str) -> str:
    return f"{before}{_part(version)}" if version else ""
