"""``mlaas4hep models`` against a real server."""

from __future__ import annotations

import http.server
import json
import ssl
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme

from mlaas4hep.inference.settings import Settings
from tests.support.cli import Outcome, run
from tests.support.live import Live, live_server
from tests.support.onnx_models import scorer, write
from tests.support.serving import make_bundle
from tests.support.toy import COLUMNS, RECORDS, toy_scores

SUBCOMMANDS = (
    "list",
    "describe",
    "predict",
    "download",
    "upload",
    "delete",
    "load",
    "unload",
    "label",
    "tfaas",
    "configure",
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    repository = tmp_path_factory.mktemp("commands") / "models"
    make_bundle(repository / "toy" / "1")
    with live_server(Settings(repository=repository)) as made:
        yield made


@pytest.fixture(autouse=True)
def _address(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLAAS4HEP_URL", live.url)
    monkeypatch.setenv("BEARER_TOKEN", "not-looked-at")


def models(*arguments: object) -> Outcome:
    """A command that succeeds and says nothing on standard error."""
    done = run("models", *arguments)
    assert (done.code, done.err) == (0, "")
    return done


def refused(*arguments: object) -> str:
    """The one line of a command that fails."""
    done = run("models", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [done.error]
    return done.error


def test_list_and_describe() -> None:
    assert models("list").out.split() == ["toy", "1", "READY", "latest"]
    [model] = json.loads(models("list", "--json").out)
    assert (model["name"], model["versions"][0]["state"]) == ("toy", "READY")
    described = json.loads(models("describe", "toy", "--version", "latest").out)
    assert described["branches"] == {"met": "flat", "charge": "flat", "Jet_pt": "jagged", "Jet_eta": "jagged"}


@pytest.mark.parametrize("events", [RECORDS, COLUMNS])
def test_predict(live: Live, tmp_path: Path, events: Any) -> None:
    file = tmp_path / "events.json"
    file.write_text(json.dumps(events))
    scores = json.loads(models("predict", "toy", "--events", file).out)
    expected = toy_scores(live.settings.repository / "toy" / "1")
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_the_life_of_a_model(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "other.tar.gz", name="other", seed=2)
    made = json.loads(models("upload", bundle).out)
    assert (made["model"], made["version"], made["state"]) == ("other", "1", "READY")
    models("upload", bundle, "--name", "other", "--version", "5")
    models("label", "other", "stable", "1")
    assert models("list").out.splitlines()[:2] == [
        f"{'other':30}    1  READY      stable",
        f"{'other':30}    5  READY      latest",
    ]
    models("label", "other", "stable")
    configured = models("configure", "other", "--batching-size", 64, "--batching-delay-ms", 0.5, "--canary", 10)
    assert json.loads(configured.out) == {"batching": {"max_size": 64, "max_delay_ms": 0.5}, "canary": 10.0}
    configured = models("configure", "other", "--no-batching")
    assert json.loads(configured.out) == {"batching": None, "canary": 10.0}
    assert "nothing to do; give --batching-size" in refused("configure", "other")
    assert "--no-batching" in refused("configure", "other", "--no-batching", "--batching-size", 4)
    assert "canary" in refused("configure", "other", "--canary", 101)
    models("unload", "other", "--version", "5")
    assert "UNLOADED" in models("list").out
    assert json.loads(models("load", "other", "--version", "5").out)["state"] == "READY"
    copy = tmp_path / "copy.tar.gz"
    assert models("download", "other", "-o", copy, "--version", "5").out == f"{copy}\n"
    with tarfile.open(copy) as tar:
        assert "other/manifest.json" in tar.getnames()
    assert "exists already; choose another name" in refused("download", "other", "-o", copy)
    models("download", "other", "-o", copy, "--overwrite")
    models("delete", "other", "--version", "5")
    models("delete", "other")
    assert "there is no model other" in refused("delete", "other")


def test_the_original_clients_options(live: Live, tmp_path: Path) -> None:
    write(scorer(), tmp_path / "model.onnx")
    (tmp_path / "labels.txt").write_text("background\nsignal\n")
    params = {"name": "mine", "model": "model.onnx", "labels": "labels.txt"}
    (tmp_path / "params.json").write_text(json.dumps(params))
    upload = tmp_path / "upload.json"
    upload.write_text(json.dumps({**params, "params": "params.json"}))
    place = f"--url={live.url}"
    assert json.loads(models("tfaas", place, f"--upload={upload}").out)["model"] == "mine"
    assert {entry["name"] for entry in json.loads(models("tfaas", place, "--models").out)} == {"mine", "toy"}
    models("tfaas", place, "--delete=mine")
    bundle = make_bundle(tmp_path / "model.tar.gz", name="packed")
    assert json.loads(models("tfaas", place, f"--bundle={bundle}").out)["model"] == "packed"
    row = tmp_path / "input.json"
    row.write_text(json.dumps({"keys": list(RECORDS[0]), "values": list(RECORDS[0].values()), "model": "packed"}))
    expected = toy_scores(live.settings.repository / "toy" / "1")[0]
    for further in ((), ("--model=toy",)):
        scores = json.loads(models("tfaas", place, f"--predict={row}", *further).out)
        np.testing.assert_allclose(scores, expected, rtol=1e-6)
    models("tfaas", place, "--delete=packed")
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert "not a picture" in refused("tfaas", place, f"--image={tmp_path / 'a.png'}", "--model=toy")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["describe", "nothing"], "there is no model nothing (status 404)"),
        (["describe", "toy", "--version", "9"], "9"),
        (["load", "nothing"], "there is no model nothing"),
        (["label", "toy", "latest", "1"], "always is the newest version"),
        (["label", "toy", "stable", "8"], "8"),
        (["upload", "gone.tar.gz"], "gone.tar.gz: no such file"),
        (["predict", "toy", "--events", "gone.json"], "gone.json: no such file"),
        (["predict", "toy", "--events", "text.json"], "text.json: not valid JSON"),
        (["predict", "toy", "--events", "number.json"], "events of type int are not understood"),
        (["predict", "toy", "--events", "few.json"], "keys are missing: charge, Jet_pt, Jet_eta (status 400)"),
        (["predict", "toy"], "Missing option '--events'"),
        (["tfaas"], "nothing to do; give --models"),
        (["tfaas", "--predict", "number.json"], "number.json: is not a JSON object with keys, values, model"),
        (["tfaas", "--predict", "half.json"], "half.json: needs two lists, keys and values"),
        (["tfaas", "--upload", "half.json"], "the upload description names no model"),
        (["tfaas", "--upload", "lost.json"], "lost.onnx: no such file; look at 'model' in the upload description"),
        (["tfaas", "--image", "gone.png", "--model", "toy"], "gone.png: no such file"),
        (["list", "--url", "http://127.0.0.1:9"], "no answer"),
        (["list", "--url", "nonsense"], "nonsense: is not a URL of a server"),
        (["list", "--url", "http://models.example.org"], "a token would travel unprotected"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.json").write_text("{")
    Path("number.json").write_text("3")
    Path("few.json").write_text('[{"met": 1}]')
    Path("half.json").write_text('{"keys": [], "values": 3}')
    Path("lost.json").write_text('{"name": "x", "model": "lost.onnx"}')
    assert words in refused(*arguments)


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_every_command_has_an_example(command: str) -> None:
    text = " ".join(models(command, "--help").out.split())
    assert text.partition("Examples: ")[2].count(f"mlaas4hep models {command} ") >= 2


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server over https that wants a certificate of its authority; its URL, and the folder with ca, cert and key."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine = authority.issue_cert("someone@example.org")
    mine.private_key_pem.write_to_path(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client without a certificate is part of the test."""

    with Quiet(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}", tmp_path
        server.shutdown()


def test_the_original_clients_certificates(guarded: tuple[str, Path]) -> None:
    url, folder = guarded
    cert, key, authorities = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    known = ("--cert", cert, "--key", key)
    done = run("models", "tfaas", "--url", url, "--models", *known, "--capath", authorities, "--verbose")
    assert (done.code, done.out, done.err) == (0, "[]\n", f"server: {url}\n")
    assert refused("tfaas", "--url", url, "--models", *known)
    assert refused("tfaas", "--url", url, "--models", "--capath", authorities)
    assert "--key needs --cert" in refused("tfaas", "--url", url, "--models", "--key", key)
    assert "are for https" in refused("tfaas", "--models", *known)
    assert "key.pem: the certificate cannot be used" in refused("tfaas", "--url", url, "--models", "--cert", key)
    assert "gone: the authorities cannot be read" in refused("tfaas", "--url", url, "--models", "--capath", "gone")
