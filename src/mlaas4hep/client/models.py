"""Clients of the inference server: the same calls, waiting or awaited."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpx

from mlaas4hep.client import calls
from mlaas4hep.client.calls import Call, ServerError, failure
from mlaas4hep.client.credentials import certificate, check_token_is_safe, find_token, trusted_authorities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AsyncModelClient", "ModelClient"]

PIECE = 1 << 20


def _settings(url: str, token: str | None, timeout: float, *, insecure: bool) -> dict[str, Any]:
    """Arguments that both kinds of httpx clients take."""
    found = token if token is not None else find_token()
    headers = {}
    if found:
        check_token_is_safe(url, insecure=insecure)
        headers["authorization"] = f"Bearer {found}"
    settings: dict[str, Any] = {"base_url": url.rstrip("/"), "headers": headers, "timeout": timeout}
    if url.startswith("https"):
        import ssl

        context = ssl.create_default_context(capath=trusted_authorities())
        proxy = certificate()
        if proxy:
            context.load_cert_chain(proxy)
        settings["verify"] = context
    return settings


class ModelClient:
    """Talks to an inference server.

    Args:
        url: of the server, e.g. ``https://host:8083``, with its base path if it has one.
        token: bearer token; None: found as the grid's tools do; empty: none.
        timeout: seconds to wait for an answer.
        insecure: allow a token over plain HTTP.

    Example:
        >>> with ModelClient("http://localhost:8083") as client:  # doctest: +SKIP
        ...     scores = client.predict({"MET_pt": [35.1], "Jet_pt": [[50.2, 31.0]]}, "higgs")
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: float = 30.0, insecure: bool = False) -> None:
        self.url = url
        self._http = httpx.Client(**_settings(url, token, timeout, insecure=insecure))

    def predict(self, events: Any, model: str | None = None, version: str = "") -> NDArray[np.float32]:
        """Scores of events.

        Args:
            events: a list of dicts, a dict of columns, an awkward or pandas table (raw branch values, jagged lists
                included), or a numpy matrix float [N, D] of feature columns.
            model: its name; None: the server's default.
            version: number or label; "" is the default.

        Returns:
            float32 [N, K]; binary: K = 1, the probability of the signal.

        Raises:
            ServerError: the server refuses, e.g. names the branches that are missing.
        """
        scores: NDArray[np.float32] = self._do(calls.predict(events, model, version))
        return scores

    def predict_row(self, keys: list[str], values: list[Any], model: str | None = None) -> list[float]:
        """One event in TFaaS's form."""
        row: list[float] = self._do(calls.row(keys, values, model))
        return row

    def predict_image(self, file: Path, model: str) -> Any:
        """Classify a png or jpg file."""
        return self._do(calls.image(file, model))

    def models(self) -> list[dict[str, Any]]:
        """All models with their versions."""
        found: list[dict[str, Any]] = self._do(calls.models())
        return found

    def metadata(self, model: str, version: str = "") -> dict[str, Any]:
        """What a model takes (branches, kinds, an example) and gives."""
        found: dict[str, Any] = self._do(calls.metadata(model, version))
        return found

    def upload(self, file: Path, name: str | None = None) -> dict[str, Any]:
        """Add a version: a bundle as tar.gz, or a foreign model."""
        made: dict[str, Any] = self._do(calls.upload(file, name))
        return made

    def upload_parts(self, description: Mapping[str, Any], folder: Path) -> Any:
        """TFaaS's form, from the original client's upload.json."""
        return self._do(calls.upload_parts(description, folder))

    def params(self) -> list[dict[str, Any]]:
        """TFaaS's list of models: the params.json of each."""
        found: list[dict[str, Any]] = self._do(calls.params())
        return found

    def delete(self, model: str, version: str = "") -> None:
        """Remove a model, or one version."""
        self._do(calls.delete(model, version))

    def load(self, model: str, version: str = "") -> dict[str, Any]:
        """Bring into memory."""
        state: dict[str, Any] = self._do(calls.act(model, version, "load"))
        return state

    def unload(self, model: str, version: str = "") -> None:
        """Take out of memory."""
        self._do(calls.act(model, version, "unload"))

    def label(self, model: str, label: str, version: str | None) -> None:
        """Point a label to a version; None removes it."""
        self._do(calls.label(model, label, version))

    def configure(self, model: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change batching or canary."""
        settings: dict[str, Any] = self._do(calls.configure(model, changes))
        return settings

    def download(self, model: str, file: Path, version: str = "") -> Path:
        """Fetch a version as a tar.gz, written beside and renamed."""
        call = calls.download(model, version)
        partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
        try:
            with self._errors(), self._http.stream(call.method, call.path) as answer:
                if not answer.is_success:
                    answer.read()
                    raise failure(answer)
                with partial.open("wb") as out:
                    for piece in answer.iter_raw():
                        out.write(piece)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
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
        arguments = dict(call.arguments)
        if call.file is not None:
            arguments["content"] = _pieces(call.file)
        with self._errors():
            answer = self._http.request(call.method, call.path, **arguments)
        if not answer.is_success:
            raise failure(answer)
        return call.read(answer)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error


class AsyncModelClient:
    """The same for asyncio; see `ModelClient` for arguments and results."""

    def __init__(self, url: str, *, token: str | None = None, timeout: float = 30.0, insecure: bool = False) -> None:
        self.url = url
        self._http = httpx.AsyncClient(**_settings(url, token, timeout, insecure=insecure))

    async def predict(self, events: Any, model: str | None = None, version: str = "") -> NDArray[np.float32]:
        """Scores of events, float32 [N, K]."""
        scores: NDArray[np.float32] = await self._do(calls.predict(events, model, version))
        return scores

    async def predict_row(self, keys: list[str], values: list[Any], model: str | None = None) -> list[float]:
        """One event in TFaaS's form."""
        row: list[float] = await self._do(calls.row(keys, values, model))
        return row

    async def models(self) -> list[dict[str, Any]]:
        """All models with their versions."""
        found: list[dict[str, Any]] = await self._do(calls.models())
        return found

    async def metadata(self, model: str, version: str = "") -> dict[str, Any]:
        """What a model takes and gives."""
        found: dict[str, Any] = await self._do(calls.metadata(model, version))
        return found

    async def upload(self, file: Path, name: str | None = None) -> dict[str, Any]:
        """Add a version."""
        made: dict[str, Any] = await self._do(calls.upload(file, name))
        return made

    async def delete(self, model: str, version: str = "") -> None:
        """Remove a model, or one version."""
        await self._do(calls.delete(model, version))

    async def load(self, model: str, version: str = "") -> dict[str, Any]:
        """Bring into memory."""
        state: dict[str, Any] = await self._do(calls.act(model, version, "load"))
        return state

    async def unload(self, model: str, version: str = "") -> None:
        """Take out of memory."""
        await self._do(calls.act(model, version, "unload"))

    async def status(self) -> dict[str, Any]:
        """Memory, load, uptime, counters."""
        found: dict[str, Any] = await self._do(calls.status())
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncModelClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _do(self, call: Call) -> Any:
        arguments = dict(call.arguments)
        if call.file is not None:
            arguments["content"] = _awaited(call.file)
        async with self._errors():
            answer = await self._http.request(call.method, call.path, **arguments)
        if not answer.is_success:
            raise failure(answer)
        return call.read(answer)

    @asynccontextmanager
    async def _errors(self) -> AsyncIterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            yield piece


async def _awaited(file: Path) -> AsyncIterator[bytes]:
    for piece in _pieces(file):
        yield piece


def _unreachable(url: str, error: Exception) -> ServerError:
    reason = str(error) or type(error).__name__
    return ServerError(f"no answer ({reason})", where=url, hint="is the server running, and the URL right?")
