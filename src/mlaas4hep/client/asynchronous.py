"""The same client for asyncio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpx

from mlaas4hep.client import calls
from mlaas4hep.client.calls import Call, ServerError, failure
from mlaas4hep.client.connection import arguments, awaited, partial_file, read, settings, translated

if TYPE_CHECKING:
    import ssl

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AsyncModelClient"]

FORBIDDEN = 403


class AsyncModelClient:
    """Many requests at a time from one thread; see `ModelClient` for arguments, results and errors.

    Example:
        >>> async with AsyncModelClient("http://localhost:8083") as client:  # doctest: +SKIP
        ...     scores = await asyncio.gather(*(client.predict(batch, "higgs") for batch in batches))
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
        self._http = httpx.AsyncClient(**settings(url, token, timeout, insecure=insecure, tls=tls))

    async def predict(self, events: Any, model: str | None = None, version: str = "") -> NDArray[np.float32]:
        """Scores of events, float32 [N, K]; see `ModelClient.predict`."""
        described = None
        if model and calls.is_large(events, model):
            try:
                described = await self.metadata(model, version)
            except ServerError as error:  # a token that may predict only
                if error.status != FORBIDDEN:
                    raise
        scores: NDArray[np.float32] = await self._do(calls.predict(events, model, version, described))
        return scores

    async def predict_row(
        self, keys: Sequence[str], values: Sequence[Any], model: str | None = None, version: str = ""
    ) -> list[float]:
        """One event in TFaaS's form, keys in any order."""
        row: list[float] = await self._do(calls.row(keys, values, model, version))
        return row

    async def predict_image(self, file: Path, model: str) -> Any:
        """Classify a png or jpg file."""
        return await self._do(calls.image(Path(file), model))

    async def models(self) -> list[dict[str, Any]]:
        """All models with their versions."""
        found: list[dict[str, Any]] = await self._do(calls.models())
        return found

    async def metadata(self, model: str, version: str = "") -> dict[str, Any]:
        """What a model takes (branches, kinds, an example) and gives."""
        found: dict[str, Any] = await self._do(calls.metadata(model, version))
        return found

    async def upload(self, file: Path, name: str | None = None, version: str = "") -> dict[str, Any]:
        """Add a version: a bundle as tar.gz, or a model of another framework as a file or tar.gz."""
        made: dict[str, Any] = await self._do(calls.upload(Path(file), name, version))
        return made

    async def upload_parts(self, description: Mapping[str, Any], folder: Path) -> Any:
        """TFaaS's form, from the original client's upload.json, which lies in the folder."""
        return await self._do(calls.upload_parts(description, Path(folder)))

    async def params(self) -> list[dict[str, Any]]:
        """TFaaS's list of models: the params.json of each."""
        found: list[dict[str, Any]] = await self._do(calls.params())
        return found

    async def delete(self, model: str, version: str = "") -> None:
        """Remove a model, or one version."""
        await self._do(calls.delete(model, version))

    async def load(self, model: str, version: str = "") -> dict[str, Any]:
        """Bring into memory; returns when the version is ready."""
        state: dict[str, Any] = await self._do(calls.act(model, version, "load"))
        return state

    async def unload(self, model: str, version: str = "") -> None:
        """Take out of memory."""
        await self._do(calls.act(model, version, "unload"))

    async def label(self, model: str, label: str, version: str | None) -> None:
        """Point a label to a version; None removes it."""
        await self._do(calls.label(model, label, version))

    async def configure(self, model: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change ``batching`` or ``canary``; the settings that hold afterwards."""
        now: dict[str, Any] = await self._do(calls.configure(model, changes))
        return now

    async def download(self, model: str, file: Path, version: str = "") -> Path:
        """Fetch a version as a tar.gz, written beside and renamed; an existing file is replaced."""
        call, file = calls.download(model, version), Path(file)
        with translated(self.url, self._http):
            async with self._http.stream(call.method, call.path) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise failure(answer)
                with partial_file(file) as out:
                    async for piece in answer.aiter_bytes():
                        out.write(piece)
        return file

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
        given = arguments(call, self._timeout)
        if call.file is not None:
            given["content"] = awaited(call.file)
        with translated(self.url, self._http):
            answer = await self._http.request(call.method, call.path, **given)
        return read(call, answer, self.url)
