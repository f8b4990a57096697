"""Uploads of models from the body of a request to the repository."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.rest.forms import Form, receive_file, receive_form, staging
from mlaas4hep.inference.rest.metadata import version_json
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.bodies import decode_json

__all__ = ["receive_model"]


async def receive_model(request: Request, server: Server, settings: Settings) -> dict[str, Any]:
    """Take a model from a form or a plain body to the repository; return the version that was made.

    Query: ``name``, ``version`` and ``filename`` for a plain body.
    """
    limit, query = settings.limits.upload, request.query_params
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with receive_form(request, settings.repository, limit) as form:
            name = form.text("name") or query.get("name")
            if set(form.files) == {"file"}:
                version = form.text("version") or query.get("version")
                info = await server.upload(form.files["file"], name=name, version=version)
            else:
                if "model" not in form.files:
                    raise BadRequestError("the form has no file called model")
                params = _params(form)
                name = name or _text(params.get("name"))
                if not name:
                    raise BadRequestError("the form has no name, and neither have its params")
                files = {role: path for role, path in form.files.items() if role in ("model", "labels")}
                info = await server.upload_parts(name, files, params)
        return version_json(info)
    with staging(settings.repository) as place:
        path = place / "body"
        if await receive_file(request, path, limit, unpacked=False) == 0:
            raise BadRequestError("the body is empty", hint="send a form, or a tar.gz of the model's folder")
        with path.open("rb") as file:
            start = file.read(264)
        named = path.rename(place / _file_name(start, query.get("filename")))
        info = await server.upload(named, name=query.get("name"), version=query.get("version"))
    return version_json(info)


def _params(form: Form) -> dict[str, Any]:
    text = form.text("params")
    if text is None or not text.strip():
        return {}
    try:
        return decode_json(text.encode())
    except BadRequestError as error:
        raise BadRequestError(str(error).replace("the body", "params")) from None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _file_name(start: bytes, given: str | None) -> str:
    """Return a file name that says what a plain body is: the client's, else one that follows from its first bytes."""
    if given:
        plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in given.replace("\\", "/").split("/")[-1])[-200:]
        return plain.lstrip(".") or "model"
    if start[:2] == b"\x1f\x8b":
        return "model.tar.gz"
    if start[257:262] == b"ustar":
        return "model.tar"
    return "model.zip" if start[:4] == b"PK\x03\x04" else "model"
