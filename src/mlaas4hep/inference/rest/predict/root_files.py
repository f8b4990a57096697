"""``POST /predict/root``: a ROOT file in, a file of scores out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.errors.serving import (
    BadRequestError,
    ModelFailedError,
    ModelTimeoutError,
    TooManyRequestsError,
)
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.rest.forms import receive_file, receive_form, staging
from mlaas4hep.inference.rest.openapi import BINARY, BYTES, FORM, JSON, TFAAS, operation, ref
from mlaas4hep.inference.rest.predict.root_urls import allowed_url, final_url
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.rest.responses import file_response
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.sandbox.process import ChildError, ask_once
from mlaas4hep.web.bodies import read_json
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["MAGIC", "calls", "grid_environment"]

SCORE = "mlaas4hep.inference.rest.predict.root_worker:score"
MAGIC = b"root"
MEDIA = {"root": "application/x-root", "parquet": "application/vnd.apache.parquet"}
GRID = ("X509_USER_PROXY", "X509_CERT_DIR", "BEARER_TOKEN", "BEARER_TOKEN_FILE")
AT_ONCE = 2
WAITING = 16


def calls(resources: Resources) -> Sequence[Call]:
    """Return the call that scores ROOT files."""
    handler = _PredictRoot(resources.server, resources.settings)
    described = operation(
        TFAAS,
        "Score all entries of a ROOT file",
        body={BYTES: BINARY, MEDIA["root"]: BINARY, FORM: ref("RootForm"), JSON: ref("RootUrl")},
        answer=dict.fromkeys(MEDIA.values(), BINARY),
        errors="504",
        text="One row for each entry, in order. The body is the file, a form with it, or its URL.",
        query="model version tree format",
    )
    return [Call("POST", "/predict/root", Right.PREDICT, handler, described, body="disk")]


class _PredictRoot:
    """Scores every entry of a file in a process of its own, in the sandbox, with limits on time and memory.

    The body is the file (or a form with the part ``file``), with ``?model=``, ``version``, ``tree`` and ``format``; or
    JSON with ``url`` and the same. The answer is a ROOT file (tree ``scores``) or Parquet, one row for each entry, with
    the header ``X-Entries``. The format is that of ``format``, else of the header Accept, else ROOT.
    """

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server = server
        self._settings = settings
        self._running = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def __call__(self, request: Request) -> Response:
        """Answer one request, see the class."""
        limit = self._settings.limits.upload
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        options: dict[str, Any] = dict(request.query_params)
        with staging(self._settings.repository.absolute()) as place:  # for a process that starts elsewhere
            source = place / "input.root"
            if kind == "application/json":
                options |= await read_json(request)
                url = allowed_url(options.get("url"), self._settings.root_urls)
                url = await final_url(url, self._settings.root_urls)
                return await self._answer(url, place, options, request)
            if kind == "multipart/form-data":
                async with receive_form(request, self._settings.repository, limit) as form:
                    if "file" not in form.files:
                        raise BadRequestError("the form has no file called file")
                    options |= form.fields
                    form.files["file"].rename(source)
            else:
                await receive_file(request, source, limit)
            with source.open("rb") as file:
                if file.read(4) != MAGIC:
                    raise BadRequestError("the body is not a ROOT file")
            return await self._answer(str(source), place, options, request)

    async def _answer(self, source: str, place: Path, options: dict[str, Any], request: Request) -> Response:
        for name in ("model", "version", "tree", "format"):
            if not isinstance(options.get(name, ""), str):
                raise BadRequestError(f"{name} must be a string")
        suffix = _format(options.get("format", ""), request.headers.get("accept", ""))
        output = place / f"scores.{suffix}"
        entries = 0

        async def work(info: ModelInfo) -> int:
            nonlocal entries
            if not info.branches:
                raise BadRequestError(f"the model {info.name} is not a bundle: it does not know the branches of files")
            job = {
                "bundle": str(self._server.files(info.name, info.version).absolute()),
                "source": source,
                "output": str(output),
                "tree": options.get("tree") or None,
                "threads": self._settings.threads,
                "urls": list(self._settings.root_urls),
            }
            done = await self._run(job, place, remote=not source.startswith(str(place)))
            entries = int(done["entries"])
            return entries

        info = await self._server.score_elsewhere(options.get("model", ""), options.get("version", ""), work)
        headers = {"x-entries": str(entries), "x-model": info.name, "x-version": info.version}
        return file_response(output, MEDIA[suffix], _file_name(info, suffix), headers)

    async def _run(self, job: dict[str, Any], place: Path, *, remote: bool) -> dict[str, Any]:
        if self._waiting >= WAITING:
            raise TooManyRequestsError("too many files are waiting to be scored", hint="try again later")
        self._waiting += 1
        try:
            async with self._running:
                return await _score(job, place, self._settings, remote=remote)
        finally:
            self._waiting -= 1


def grid_environment() -> dict[str, str]:
    """Return what a process needs to read over the network: the means of Grid authentication, settings of XRootD."""
    return {name: value for name, value in os.environ.items() if name in GRID or name.startswith("XRD_")}


async def _score(job: dict[str, Any], place: Path, settings: Settings, *, remote: bool) -> dict[str, Any]:
    """Run the worker; a client that goes away, or the time limit, ends it."""
    limit = settings.limits.conversion_timeout
    try:
        return await ask_once(
            SCORE,
            job,
            seconds=limit,
            threads=settings.threads,
            memory=settings.limits.conversion_memory,
            files=settings.limits.upload,
            readable=[Path(job["bundle"])],
            writable=[place],
            variables=grid_environment() if remote else None,  # it reads from allowed URLs alone
        )
    except ChildError as error:
        if error.kind == "late":
            raise ModelTimeoutError(f"the file was not scored within {limit:g} s") from None
        if error.kind in {"died", "failed"}:
            what = f"the process that scores the file {error.kind} ({error})"
            raise ModelFailedError(what.replace(f"{place}/", "")) from None
        raise BadRequestError(str(error).replace(f"{place}/", "")) from None


def _format(wanted: str, accept: str) -> str:
    if wanted:
        if wanted not in MEDIA:
            raise BadRequestError(f"there is no format {wanted[:40]!a}", hint="root or parquet")
        return wanted
    return "parquet" if "parquet" in accept else "root"


def _file_name(info: ModelInfo, suffix: str) -> str:
    return f"scores-{info.name}-{info.version}.{suffix}"
