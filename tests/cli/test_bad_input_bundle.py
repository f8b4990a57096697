"""Bad bundles and bad input to a prediction: none, damaged, from the future, of other data."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.samples import columns, write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Work


@pytest.fixture
def copy(work: Work, trained: Path) -> Path:
    """A bundle that a test may damage."""
    return shutil.copytree(trained, work.inputs / "copy")


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_no_bundle(work: Work, command: str) -> None:
    sig = work.inputs / "sig.root"
    rest = [sig, "-o", work.outputs / "s.csv"] if command == "predict" else ["--files", sig, "--labels", "signal"]
    work.refused(command, work.inputs / "none", *rest, says=[f"{work.inputs / 'none'}: "])
    work.refused(command, work.inputs, *rest, says=[f"{work.inputs}", "manifest.json"])
    work.refused(command, sig, *rest, says=[f"{sig}"])


def test_a_damaged_bundle(work: Work, copy: Path) -> None:
    arguments = ["predict", copy, work.inputs / "sig.root", "-o", work.outputs / "s.csv"]
    model = copy / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    work.refused(*arguments, says=["model.onnx", "checksum"])
    model.unlink()
    work.refused(*arguments, says=["model.onnx"])


def test_a_bundle_from_the_future(work: Work, copy: Path) -> None:
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "schema_version": 999}))
    work.refused("predict", copy, work.inputs / "sig.root", "-o", work.outputs / "s.csv", says=["999"])


def test_data_that_do_not_fit_the_bundle(work: Work, trained: Path) -> None:
    arguments = ["predict", trained, "-o", work.outputs / "scores.root"]
    path = work.data("poor.root", drop=["Jet_pt"])
    work.refused(*arguments, path, says=[f"{path}", "no branch Jet_pt"])
    path = write_tree(work.inputs / "other.root", columns(signal=True), tree="ntuple")
    work.refused(*arguments, path, says=[f"{path}: no tree 'Events'", "ntuple"])
    whole = (work.inputs / "sig.root").read_bytes()
    path = work.inputs / "half.root"
    path.write_bytes(whole[: len(whole) // 2])
    work.refused(*arguments, work.inputs / "bkg.root", path, says=[f"{path}: is truncated"])


def test_a_file_whose_name_is_not_text(work: Work, trained: Path) -> None:
    path = os.fsdecode(os.fsencode(work.inputs) + b"/bad\xff.root")
    (work.inputs / "sig.root").rename(path)
    work.refused(
        "predict", trained, path, "-o", work.outputs / "s.csv", says=["the name is not UTF-8", "rename the file"]
    )


def test_an_output_of_no_known_kind(work: Work, trained: Path) -> None:
    sig = work.inputs / "sig.root"
    place = work.outputs / "scores.txt"
    work.refused("predict", trained, sig, "-o", place, says=[f"{place}", ".root", ".parquet", ".csv"])
    place = work.outputs / "scores.csv"
    place.write_text("precious")
    work.refused("predict", trained, sig, "-o", place, says=[f"{place}", "--overwrite"])
