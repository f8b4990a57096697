"""HTML pages without scripts and without anything from other hosts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from starlette.responses import HTMLResponse

from mlaas4hep.inference.model_info import ModelInfo

__all__ = ["PAGES", "choose_page", "docs_page", "home_page"]

PAGES = "Pages"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .8rem .3rem 0; }
th { border-bottom: 2px solid #888; } td { border-bottom: 1px solid #ddd; vertical-align: top; }
code, pre { font: .875em ui-monospace, monospace; background: #f4f4f4; } code { padding: 0 .2em; }
pre { padding: .6rem; overflow: auto; } summary { cursor: pointer; padding: .25rem 0; }
.method { display: inline-block; min-width: 4.5em; font-weight: 600; }
"""


def home_page(models: Iterable[ModelInfo]) -> HTMLResponse:
    """Return the page of all models, with links."""
    rows = "".join(_row(info) for info in models)
    table = f"<table><tr><th>Model<th>Version<th>State<th>Labels<th>Classes<th></tr>{rows}</table>"
    nothing = "<p>There is no model yet: <code>mlaas4hep models upload model.tar.gz</code></p>"
    return _page(
        "MLaaS4HEP inference",
        f"{table if rows else nothing}"
        '<p><a href="docs">API</a> · <a href="openapi.json">OpenAPI</a> · <a href="models">models</a> · '
        '<a href="status">status</a> · <a href="netron/">graphs</a></p>',
    )


def choose_page(models: Iterable[ModelInfo]) -> HTMLResponse:
    """Return the page of links to the graphs, for a path below ``/netron/``."""
    items = "".join(
        f'<li><a href="{quote(info.name)}/{quote(info.version)}/">{escape(info.name)} {escape(info.version)}</a>'
        for info in models
    )
    return _page("Graphs", f"<ul>{items}</ul>" if items else "<p>There is no model yet.</p>")


def docs_page(document: Mapping[str, Any]) -> HTMLResponse:
    """Return an OpenAPI document as a page for people."""
    groups: dict[str, list[str]] = {}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            groups.setdefault(call["tags"][0], []).append(_call(path, method, call))
    parts = [f"<p>{escape(document['info']['description'])}</p>"]
    parts += [f"<h2>{escape(tag)}</h2>{''.join(calls)}" for tag, calls in groups.items()]
    schemas = document["components"]["schemas"]
    parts.append("<h2>Schemas</h2>")
    parts += [
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary>{_pre(schema)}</details>"
        for name, schema in schemas.items()
    ]
    return _page(document["info"]["title"], "".join(parts))


def _row(info: ModelInfo) -> str:
    name, version = quote(info.name), quote(info.version)
    return (
        f"<tr><td>{escape(info.name)}<td>{escape(info.version)}<td>{escape(info.state)} {escape(info.reason)}"
        f"<td>{escape(', '.join(info.labels))}<td>{escape(', '.join(info.classes))}"
        f'<td><a href="api/models/{name}/versions/{version}/metadata">metadata</a> '
        f'<a href="netron/{name}/{version}/">graph</a> <a href="download/{name}/{version}">download</a></tr>'
    )


def _call(path: str, method: str, call: Mapping[str, Any]) -> str:
    head = (
        f'<summary><span class="method">{method.upper()}</span> <code>{escape(path)}</code> '
        f"{escape(call['summary'])}</summary>"
    )
    parts = [f"<p>{escape(call['description'])}</p>"] if call.get("description") else []
    if call.get("parameters"):
        parts.append(
            "<ul>"
            + "".join(
                f"<li><code>{escape(one['name'])}</code> ({escape(one['in'])}) {escape(one.get('description', ''))}"
                for one in call["parameters"]
            )
            + "</ul>"
        )
    for kind, content in call.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body <code>{escape(kind)}</code></p>{_pre(content)}")
    answers = "".join(
        f"<li><code>{escape(status)}</code> {escape(answer['description'])}"
        for status, answer in call["responses"].items()
    )
    return f"<details>{head}{''.join(parts)}<ul>{answers}</ul></details>"


def _pre(content: Any) -> str:
    return f"<pre>{escape(json.dumps(content, indent=1))}</pre>"


def _page(title: str, body: str) -> HTMLResponse:
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )
    return HTMLResponse(text, headers={"content-security-policy": POLICY})
