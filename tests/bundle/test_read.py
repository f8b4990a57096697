from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mlaas4hep.bundle import BundleContents, load_bundle, write_bundle
from mlaas4hep.errors import BundleError
from mlaas4hep.features.layout import Layout


@pytest.fixture
def folder(contents: BundleContents, tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "model", contents)


@pytest.mark.parametrize("name", ["model", "model.tgz"])
def test_what_was_written_is_read(
    contents: BundleContents, tmp_path: Path, name: str, layout: Layout, coefficients: NDArray[np.float32]
) -> None:
    path = write_bundle(tmp_path / name, contents)
    raw = np.array([[14.0, 2.0, np.nan], [9.0, -999.0, 6.0]], dtype=np.float32)
    with load_bundle(path) as bundle:
        folder = bundle.folder
        assert bundle.layout == layout
        assert bundle.specs == contents.specs
        assert bundle.preproc == contents.preproc
        assert bundle.metrics == contents.metrics
        assert bundle.manifest.model_copy(update={"files": {}}) == contents.manifest
        scores = bundle.scorer(threads=1).scores(raw)
    z = layout.transform(raw).astype(np.float64) @ coefficients.astype(np.float64) + 0.5
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-z))[:, None], rtol=1e-6)
    assert scores.dtype == np.float32
    assert folder.exists() == (name == "model"), "only what was unpacked is removed"


def test_a_folder_may_be_given_as_text(folder: Path) -> None:
    assert load_bundle(str(folder)).manifest.name == "higgs"


def append(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(b" ")

    return damage


def change_one_byte(folder: Path) -> None:
    file = folder / "model.onnx"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)


def put_a_link(folder: Path) -> None:
    copy = folder.parent / "copy"
    shutil.move(folder / "specs.json", copy)
    (folder / "specs.json").symlink_to(copy)


def forget_the_model(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["model.onnx"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "specs.json").unlink(), "model: specs.json is missing; copy or download"),
        (lambda folder: shutil.rmtree(folder / "native"), r"native/about.json is missing \(and 1 more\)"),
        (lambda folder: (folder / "extra").write_text(""), "extra does not belong to the bundle; remove it"),
        (append("metrics.json"), r"metrics.json is not what it was when the bundle was written \(checksum\)"),
        (change_one_byte, "model.onnx is not what it was"),
        (put_a_link, "specs.json is a link or not a regular file"),
        (forget_the_model, "model.onnx is to be served but is not in the bundle"),
        (lambda folder: (folder / "manifest.json").unlink(), "this is not a model bundle: it has no manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is not JSON"),
    ],
)
def test_damage_is_found(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_no_such_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="none: there is no such bundle"):
        load_bundle(tmp_path / "none")


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_text("no archive")
    with pytest.raises(BundleError, match=r"not a tar.gz archive, or damaged"):
        load_bundle(tmp_path / "model.tar.gz")


def test_a_json_file_that_is_no_object(contents: BundleContents, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "model", contents)
    bundle = load_bundle(folder)
    (folder / "specs.json").write_text("[]")
    with pytest.raises(BundleError, match=r"specs.json is not a JSON object"):
        _ = bundle.specs
    (folder / "preproc.json").unlink()
    with pytest.raises(BundleError, match=r"preproc.json cannot be read"):
        _ = bundle.preproc
