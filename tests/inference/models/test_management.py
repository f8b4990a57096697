"""Uploads and other changes, over the real repository, runtimes and conversion."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlaas4hep.bundle.archive import pack
from mlaas4hep.errors.serving import (
    BadRequestError,
    ModelConflictError,
    ModelNotFoundError,
    ModelRefusedError,
    ModelUnavailableError,
    ServingError,
    TooLargeError,
)
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.repository.served_json import ServedModel, write_served
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Limits
from tests.support.serving import failing, linear, make_bundle, put, save, scaler, serving, settings

ONE = np.ones((1, 2), np.float32)
EVENT: dict[str, Any] = {"met": 1.0, "charge": 2.0, "Jet_pt": [1.0], "Jet_eta": []}


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 120)

    asyncio.run(limited())


def left_over(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.name.startswith(".") and path.name != ".lock"]


@pytest.mark.parametrize("name", [None, "mine"])
def test_upload_of_a_bundle(tmp_path: Path, name: str | None) -> None:
    async def test() -> None:
        archive = make_bundle(tmp_path / "a.tar.gz")
        async with serving(tmp_path / "m") as server:
            for number in ("1", "2"):
                info = await server.upload(archive, name=name)
                assert (info.name, info.version, info.state) == (name or "toy", number, "READY")
                assert info.branches is not None
                assert info.labels == ("latest",)
            info = await server.upload(archive, name=name, version="9")
            assert info.version == "9"
            with pytest.raises(ModelConflictError, match="has a version 9 already"):
                await server.upload(archive, name=name, version="9")
            scored = await server.score_events(info.name, [EVENT])
            assert (scored.version, scored.classes, scored.scores.shape) == ("9", ("signal",), (1, 1))
            assert (server.files(info.name, "2") / "manifest.json").exists()
            assert left_over(tmp_path / "m") == []

    run(test)


def test_upload_of_a_plain_tar_of_a_bundle(tmp_path: Path) -> None:
    async def test() -> None:
        packed = gzip.decompress(make_bundle(tmp_path / "a.tar.gz").read_bytes())
        (tmp_path / "a.tar").write_bytes(packed)
        async with serving(tmp_path / "m") as server:
            assert (await server.upload(tmp_path / "a.tar")).name == "toy"

    run(test)


def test_upload_of_a_foreign_model(tmp_path: Path) -> None:
    async def test() -> None:
        single = save(scaler(3.0), tmp_path / "Triple it.onnx")
        folder = tmp_path / "folder"
        save(scaler(4.0), folder / "model.onnx")
        (folder / "params.json").write_text(json.dumps({"name": "quadruple", "description": "times four"}))
        pack(folder, tmp_path / "any.tar.gz", "folder", 0)
        async with serving(tmp_path / "m") as server:
            info = await server.upload(single)
            assert (info.name, info.version, info.state, info.platform) == (
                "Triple_it", "1", "READY", "onnxruntime_onnx",
            )  # fmt: skip
            assert (await server.score_matrix("Triple_it", ONE)).scores.tolist() == [[3.0, 3.0]]
            assert (await server.score_row("Triple_it", ["a", "b"], [1, 2])).scores.tolist() == [[3.0, 6.0]]
            info = await server.upload(tmp_path / "any.tar.gz")
            assert info.name == "folder"
            assert info.params is not None
            assert info.params["description"] == "times four"
            assert (server.files("folder") / "checksums.json").exists()
            assert left_over(tmp_path / "m") == []
        async with serving(tmp_path / "m") as again:
            assert [info.state for info in again.models()] == ["READY", "READY"]
            assert (await again.score_matrix("folder", ONE)).scores.tolist() == [[4.0, 4.0]]

    run(test)


def test_upload_of_parts(tmp_path: Path) -> None:
    async def test() -> None:
        model = save(scaler(2.0), tmp_path / "up" / "1")
        (tmp_path / "up" / "2").write_text("first\nsecond\n")
        params = {"name": "x", "model": "../net.onnx", "labels": "names.txt", "description": "d"}
        async with serving(tmp_path / "m") as server:
            info = await server.upload_parts("tf", {"model": model, "labels": tmp_path / "up" / "2"}, params)
            assert (info.name, info.state) == ("tf", "READY")
            assert info.params is not None
            assert info.params["description"] == "d"
            assert (await server.score_matrix("tf", ONE)).scores.tolist() == [[2.0, 2.0]]
            bundle = make_bundle(tmp_path / "a.tar.gz")
            assert (await server.upload_parts("tf", {"model": bundle}, {})).branches
            with pytest.raises(BadRequestError, match="the form holds no file `model`"):
                await server.upload_parts("tf", {}, {})

    run(test)


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8bnothing", "not a tar.gz archive, or damaged"),
        (member("../outside", b"x"), "the archive holds an unsafe name"),
        (member("link", kind=tarfile.SYMTYPE), "the archive holds something other than files and folders"),
        (member("device", kind=tarfile.CHRTYPE), "the archive holds something other than files and folders"),
        (member("big", b"\0" * 3_000_000), "the archive holds more than 2000000 bytes"),
        (b"\x80\x04\x95pickle", "."),
        (b"", "."),
    ],
)
def test_refused_uploads_leave_nothing(tmp_path: Path, content: bytes, message: str) -> None:
    async def test() -> None:
        (tmp_path / "upload").write_bytes(content)
        async with serving(tmp_path / "m", limits={"upload": 2_000_000}) as server:
            with pytest.raises(ModelRefusedError, match=message):
                await server.upload(tmp_path / "upload", name="a")
            assert server.models() == []
            assert left_over(tmp_path / "m") == []
            assert not (tmp_path / "m" / "a").exists()

    run(test)


def test_a_bundle_whose_model_does_not_run_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        folder = make_bundle(tmp_path / "bundle")
        wrong = failing(np.zeros(0, np.float32))  # no index is within the table
        manifest = json.loads((folder / "manifest.json").read_text())
        save(wrong, folder / "model.onnx")
        _record(manifest, folder)
        pack(folder, tmp_path / "a.tar.gz", "toy", 0)
        save(linear(np.ones((3, 1), np.float32)), folder / "model.onnx")
        (folder / "model.onnx").write_bytes(b"no model at all")
        _record(manifest, folder)
        pack(folder, tmp_path / "b.tar.gz", "toy", 0)
        async with serving(tmp_path / "m") as server:
            with pytest.raises(ModelRefusedError, match="the model does not run"):
                await server.upload(tmp_path / "a.tar.gz")
            with pytest.raises(ModelRefusedError, match="ONNX Runtime cannot load the model"):
                await server.upload(tmp_path / "b.tar.gz")
            assert server.models() == []

    run(test)


def _record(manifest: dict[str, Any], folder: Path) -> None:
    from mlaas4hep.bundle.write import record

    manifest["files"]["model.onnx"] = record(folder / "model.onnx").model_dump()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_uploads_within_limits(tmp_path: Path) -> None:
    async def test() -> None:
        archive = make_bundle(tmp_path / "a.tar.gz")
        async with serving(tmp_path / "m", limits={"upload": 100, "models": 1}) as server:
            with pytest.raises(TooLargeError, match="at most 100 are allowed"):
                await server.upload(archive)
        async with serving(tmp_path / "m", limits={"models": 1}) as server:
            await server.upload(archive)
            with pytest.raises(TooLargeError, match="the repository holds 1 models already"):
                await server.upload(archive, name="other")
            for name in ("../x", ".x", "a/b", ""):
                with pytest.raises(ServingError, match=r"cannot be the name of a model|holds 1 models"):
                    await server.upload(archive, name=name or "/")
            with pytest.raises(BadRequestError, match="'v1' cannot be a version"):
                await server.upload(archive, version="v1")

    run(test)


def test_uploads_at_the_same_time_get_a_version_each(tmp_path: Path) -> None:
    async def test() -> None:
        archives = [make_bundle(tmp_path / f"{i}.tar.gz", seed=i) for i in range(6)]
        async with serving(tmp_path / "m") as one, serving(tmp_path / "m") as two:
            made = await asyncio.gather(*((one, two)[i % 2].upload(path) for i, path in enumerate(archives)))
            assert sorted(info.version for info in made) == list("123456")

    run(test)


def test_unload_lasts_until_asked_for(tmp_path: Path) -> None:
    async def test() -> None:
        archive = make_bundle(tmp_path / "a.tar.gz")
        async with serving(tmp_path / "m") as server:
            await server.upload(archive)
            await server.upload(archive)
            await server.unload("toy", "2")
            assert [info.state for info in server.models()] == ["UNLOADED", "UNLOADED"]
            assert server.info("toy", "2").reason == "unloaded"
            assert (await server.score_events("toy", [EVENT])).version == "1"
            with pytest.raises(ModelUnavailableError, match="version 2 of model toy has been unloaded"):
                await server.score_events("toy", [EVENT], "2")
            with pytest.raises(ModelConflictError, match="version 2 of model toy has been unloaded; load it first"):
                await server.label("toy", "stable", "2")
            await server.unload("toy")
            with pytest.raises(ModelUnavailableError, match="no version of model toy is ready: it has been unloaded"):
                await server.score_events("toy", [EVENT])
        async with serving(tmp_path / "m") as server:
            assert [info.state for info in server.models()] == ["UNLOADED", "UNLOADED"]
            assert (await server.load("toy")).version == "2"
            assert (await server.score_events("toy", [EVENT])).version == "2"
            assert (await server.load("toy", "1")).state == "READY"

    run(test)


def test_unload_waits_for_what_is_in_flight(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path / "m") as server:
            await server.upload(make_bundle(tmp_path / "a.tar.gz"))
            await server.configure("toy", {"batching": {"max_size": 64, "max_delay_ms": 50}})
            rows = [asyncio.create_task(server.score_events("toy", [EVENT])) for _ in range(20)]
            await asyncio.sleep(0)
            await server.unload("toy")
            assert len({(await row).scores.item() for row in rows}) == 1
            await server.loaded()

    run(test)


def test_delete_waits_for_nobody_and_loses_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path / "m") as server:
            await server.upload(make_bundle(tmp_path / "a.tar.gz"))
            await server.configure("toy", {"batching": {"max_size": 64, "max_delay_ms": 50}})
            rows = [asyncio.create_task(server.score_events("toy", [EVENT])) for _ in range(20)]
            await asyncio.sleep(0)
            await server.delete("toy")
            with pytest.raises(ModelNotFoundError, match="there is no model toy"):
                await server.score_events("toy", [EVENT])
            assert len({(await row).scores.item() for row in rows}) == 1
            with pytest.raises(ModelNotFoundError, match="there is no model toy"):
                await server.delete("toy")

    run(test)


def test_labels(tmp_path: Path) -> None:
    async def test() -> None:
        archive = make_bundle(tmp_path / "a.tar.gz")
        async with serving(tmp_path / "m") as server:
            await server.upload(archive)
            await server.upload(archive)
            info = await server.label("toy", "stable", "1")
            assert (info.version, info.labels, info.state) == ("1", ("stable",), "READY")
            assert server.info("toy", "stable").version == "1"
            assert server.info("toy", "latest").labels == ("latest",)
            info = await server.label("toy", "mine", "latest")
            assert (info.version, info.labels) == ("2", ("latest", "mine"))
            assert (await server.label("toy", "mine", None)).version == "2"
            for label, version, error, message in (
                ("latest", "1", BadRequestError, "'latest' always is the newest version"),
                ("1a", "1", BadRequestError, "'1a' cannot be a label"),
                ("x", "7", ModelNotFoundError, "model toy has no version '7'; it has stable, 1, 2"),
                ("x", "none", ModelNotFoundError, "model toy has no version or label 'none'"),
                ("x", None, ModelNotFoundError, "model toy has no label 'x'"),
            ):
                with pytest.raises(error, match=message):
                    await server.label("toy", label, version)
            await server.delete("toy", "stable")
            assert [info.version for info in server.models()] == ["2"]

    run(test)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"canary": 101}, "setting canary: Input should be less than or equal to 100"),
        ({"canary": "NaN"}, "setting canary"),
        ({"batching": {"max_size": 1}}, "setting batching.max_size"),
        ({"batching": {"max_sise": 4}}, "setting batching.max_sise: Extra inputs"),
        ({"labels": {}}, "there is no setting 'labels'; known are batching, canary"),
    ],
)
def test_settings_that_are_not_allowed(tmp_path: Path, changes: Mapping[str, Any], message: str) -> None:
    async def test() -> None:
        put(tmp_path, "m", 1, 1)
        async with serving(tmp_path) as server:
            await server.look()
            await server.look()
            with pytest.raises(BadRequestError, match=message):
                await server.configure("m", changes)
            assert not (tmp_path / "m" / "model.json").exists()

    run(test)


def test_settings_and_default_model_survive(tmp_path: Path) -> None:
    async def test() -> None:
        archive = make_bundle(tmp_path / "a.tar.gz")
        async with serving(tmp_path / "m") as server:
            await server.upload(archive, name="a")
            assert (await server.score_events(None, [EVENT])).model == "a"  # the only one
            await server.upload(archive, name="b")
            with pytest.raises(BadRequestError, match="the request names no model"):
                await server.score_events(None, [EVENT])
            with pytest.raises(ModelNotFoundError):
                await server.set_default("c")
            await server.set_default("b")
            after = await server.configure("b", {"canary": 5, "batching": {"max_size": 32}})
            assert after == {"canary": 5.0, "batching": {"max_size": 32, "max_delay_ms": 1.0}}
        async with serving(tmp_path / "m") as server:
            assert (await server.score_row(None, list(EVENT), list(EVENT.values()))).model == "b"
            assert server.info("").name == "b"
            assert await server.configure("b", {"batching": None}) == {"canary": 5.0, "batching": None}

    run(test)


def uploaded(tmp_path: Path, upload: Callable[[Server], Awaitable[ModelInfo]]) -> tuple[str, set[str]]:
    """Return the name that an upload gives its model, and the names of the files that are converted."""
    files: set[str] = set()

    async def convert(source: Path, target: Path, _params: Mapping[str, Any], _limits: Limits) -> None:
        files.update(path.name for path in (source, *source.rglob("*")))
        save(scaler(1.0), target / "model.onnx")
        write_served(target, ServedModel("onnx", "onnxruntime_onnx", "ONNX", "onnx", "x", (), (), batched=True))

    async def main() -> str:
        server = Server(settings(tmp_path / "m"), convert=convert)
        await server.start()
        try:
            return (await upload(server)).name
        finally:
            await server.stop()

    return asyncio.run(main()), files


@pytest.mark.parametrize(
    ("file", "inner", "expected"),
    [
        ("My model.v2.onnx", None, "My_model.v2"),
        (".onnx", None, "onnx"),
        ("arch.tgz", "", "arch"),
        ("arch.tgz", "inner", "named"),
        ("arch.tgz", "../evil", "_evil"),
        ("arch.tgz", "magic/", "magic"),
        ("arch.tgz", "00000123/", "named"),
        ("arch.tgz", "My model/", "My_model"),
    ],
)
def test_names_that_uploads_give_themselves(tmp_path: Path, file: str, inner: str | None, expected: str) -> None:
    """A single file, or an archive: without params.json, with one that has this name, or with one top folder."""
    path = tmp_path / file
    if inner is None:
        path.write_bytes(b"not an archive")
    else:
        folder = tmp_path / "folder"
        save(scaler(1.0), folder / "model.onnx")
        name = "named" if inner in ("inner",) or inner.endswith("/") else inner
        if name:
            (folder / "params.json").write_text(json.dumps({"name": name}))
        with tarfile.open(path, "w:gz") as tar:
            for entry in folder.iterdir():
                tar.add(entry, f"{inner if inner.endswith('/') else ''}{entry.name}")
    assert uploaded(tmp_path, lambda server: server.upload(path))[0] == expected


@pytest.mark.parametrize("given", ["../../etc/passwd", "", "..", "a/..", None, 3, "a\0b", "x" * 300])
def test_a_file_of_a_form_lies_where_it_should_whatever_its_name(tmp_path: Path, given: object) -> None:
    model = tmp_path / "sent"
    model.write_bytes(b"not an archive")
    _, files = uploaded(tmp_path, lambda server: server.upload_parts("form", {"model": model}, {"model": given}))
    assert ("passwd" if given == "../../etc/passwd" else "sent") in files


def test_a_conversion_that_fails_in_any_way_leaves_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async def full(_source: Path, target: Path, _params: Mapping[str, Any], _limits: Limits) -> None:
            target.mkdir()
            (target / "half").write_bytes(os.urandom(1000))
            raise asyncio.CancelledError

        server = Server(settings(tmp_path / "m"), convert=full)
        await server.start()
        (tmp_path / "x.bin").write_bytes(b"x")
        with pytest.raises(asyncio.CancelledError):
            await server.upload(tmp_path / "x.bin")
        assert left_over(tmp_path / "m") == []
        await server.stop()
        shutil.rmtree(tmp_path / "m")

    run(test)
