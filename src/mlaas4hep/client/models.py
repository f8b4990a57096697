"""A client of the inference server that waits for each answer."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpx

from mlaas4hep.client import calls
from mlaas4hep.client.calls import Call, ServerError, failure
from mlaas4hep.client.connection import arguments, partial_file, pieces, read, settings, translated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ModelClient"]

FORBIDDEN = 403


class ModelClient:
    """Talks to an inference server.

    Args:
        url: of the server, e.g. ``https://host:8083``, with its base path if it has one.
        token: bearer token; None: found as the grid's tools do; empty: none.
        timeout: seconds to wait for an answer; uploads and loads may take ten minutes in any case.
        insecure: allow a token over plain HTTP to another machine.
        tls: how to check the server and what to show it; None: the X.509 proxy and the authorities of the
            usual places.

    Raises:
        ConfigError: the URL is none, or the token cannot be sent there; in calls: the client was closed.

    Example:
        >>> with ModelClient("http://localhost:8083") as client:  # doctest: +SKIP
        ...     scores = client.predict({"MET_pt": [35.1], "Jet_pt": [[50.2, 31.0]]}, "higgs")
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        insecure: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self._timeout = timeout
        self._http = httpx.Client(**settings(url, token, timeout, insecure=insecure, tls=tls))

    def predict(self, events: Any, model: str | None = None, version: str = "") -> NDArray[np.float32]:
        """Scores of events.

        Args:
            events: raw values by branch, jagged lists included: a list of dicts, a dict of columns, an awkward or
                pandas table, a numpy array with named fields; NaN and None are missing values. Or a numpy matrix
                [N, D] of feature columns in the model's order.
            model: its name; None: the server's default.
            version: number or label; "" is the default.

        Returns:
            float32 [N, K]; binary: K = 1, the probability of the signal.

        Raises:
            ServerError: the server refuses, e.g. names the branches that are missing.
            ConfigError: the events are of no such form.
        """
        described = None
        if model and calls.is_large(events, model):
            try:
                described = self.metadata(model, version)
            except ServerError as error:  # a token that may predict only
                if error.status != FORBIDDEN:
                    raise
        scores: NDArray[np.float32] = self._do(calls.predict(events, model, version, described))
        return scores

    def predict_row(
        self, keys: Sequence[str], values: Sequence[Any], model: str | None = None, version: str = ""
    ) -> list[float]:
        """One event in TFaaS's form, keys in any order."""
        row: list[float] = self._do(calls.row(keys, values, model, version))
        return row

    def predict_image(self, file: Path, model: str) -> Any:
        """Classify a png or jpg file."""
        return self._do(calls.image(Path(file), model))

    def models(self) -> list[dict[str, Any]]:
        """All models with their versions."""
        found: list[dict[str, Any]] = self._do(calls.models())
        return found

    def metadata(self, model: str, version: str = "") -> dict[str, Any]:
        """What a model takes (branches, kinds, an example) and gives."""
        found: dict[str, Any] = self._do(calls.metadata(model, version))
        return found

    def upload(self, file: Path, name: str | None = None, version: str = "") -> dict[str, Any]:
        """Add a version: a bundle as tar.gz, or a model of another framework as a file or tar.gz."""
        made: dict[str, Any] = self._do(calls.upload(Path(file), name, version))
        return made

    def upload_parts(self, description: Mapping[str, Any], folder: Path) -> Any:
        """TFaaS's form, from the original client's upload.json, which lies in the folder."""
        return self._do(calls.upload_parts(description, Path(folder)))

    def params(self) -> list[dict[str, Any]]:
        """TFaaS's list of models: the params.json of each."""
        found: list[dict[str, Any]] = self._do(calls.params())
        return found

    def delete(self, model: str, version: str = "") -> None:
        """Remove a model, or one version."""
        self._do(calls.delete(model, version))

    def load(self, model: str, version: str = "") -> dict[str, Any]:
        """Bring into memory; returns when the version is ready."""
        state: dict[str, Any] = self._do(calls.act(model, version, "load"))
        return state

    def unload(self, model: str, version: str = "") -> None:
        """Take out of memory."""
        self._do(calls.act(model, version, "unload"))

    def label(self, model: str, label: str, version: str | None) -> None:
        """Point a label to a version; None removes it."""
        self._do(calls.label(model, label, version))

    def configure(self, model: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change ``batching`` or ``canary``; the settings that hold afterwards."""
        now: dict[str, Any] = self._do(calls.configure(model, changes))
        return now

    def download(self, model: str, file: Path, version: str = "") -> Path:
        """Fetch a version as a tar.gz, written beside and renamed; an existing file is replaced."""
        call, file = calls.download(model, version), Path(file)
        with translated(self.url, self._http), self._http.stream(call.method, call.path) as answer:
            if not answer.is_success:
                answer.read()
                raise failure(answer)
            with partial_file(file) as out:
                for piece in answer.iter_bytes():
                    out.write(piece)
        return file

    def status(self) -> dict[str, Any]:
        """Memory, load, uptime, counters."""
        found: dict[str, Any] = self._do(calls.status())
        return found

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> ModelClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, call: Call) -> Any:
        given = arguments(call, self._timeout)
        if call.file is not None:
            given["content"] = pieces(call.file)
        with translated(self.url, self._http):
            answer = self._http.request(call.method, call.path, **given)
        return read(call, answer, self.url)
