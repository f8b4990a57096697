"""The viewer of graphs, in a real browser."""

from __future__ import annotations

import shutil

import onnx
import pytest

from tests.support.live import Live

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_the_graph_is_visible_and_nobody_else_is_asked(served: Live) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{served.url}/")
        page.click("text=graph >> nth=0")
        page.wait_for_selector("g.node", timeout=30_000)
        text = str(page.text_content("#canvas"))
        browser.close()
    graph = onnx.load_from_string(served.client.get("/netron/small/1/model.onnx").content).graph
    for kind in {node.op_type for node in graph.node}:
        assert kind in text
    assert "features" in text
    assert "scores" in text
    assert not [url for url in asked if not url.startswith((served.url, "data:", "blob:"))]


def test_the_model_is_the_one_in_the_repository(served: Live) -> None:
    path = served.settings.repository / "small" / "1" / "model.onnx"
    assert served.client.get("/netron/small/latest/model.onnx").content == path.read_bytes()


def test_a_model_is_chosen_by_name(served: Live) -> None:
    answer = served.client.get("/netron/", params={"model": "small"})
    assert (answer.status_code, answer.headers["location"]) == (302, "small/1/")
    assert 'href="small/1/"' in served.client.get("/netron/").text


@pytest.mark.parametrize(
    "path",
    ["small/1/server.py", "small/1/__init__.py", "small/1/..%2f..%2fsix.py", "small/1/none.js", "other/1/", "small/9/"],
)
def test_nothing_but_the_viewer_is_served(served: Live, path: str) -> None:
    assert served.client.get(f"/netron/{path}").status_code == 404


def test_files_have_their_types(served: Live) -> None:
    for name, kind in (("index.js", "text/javascript"), ("grapher.css", "text/css"), ("icon.png", "image/png")):
        answer = served.client.get(f"/netron/small/1/{name}")
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-disposition"] == "inline"
