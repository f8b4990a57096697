"""What is found on disk: whole versions, damaged ones with the reason, and nothing that is still being copied."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.repository.model_json import ModelSettings
from mlaas4hep.inference.repository.scan import ModelEntry, Scanner
from mlaas4hep.inference.repository.served_json import ServedModel, write_served
from mlaas4hep.inference.repository.store import Store
from mlaas4hep.inference.repository.verify import write_checksums
from tests.support.serving import make_bundle, put, save, scaler


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of an empty repository."""
    return tmp_path / "models"


@pytest.fixture
def scanner(root: Path) -> Scanner:
    """Looks at it."""
    store = Store(root)
    store.open()
    return Scanner(store)


def twice(scanner: Scanner, name: str) -> ModelEntry | None:
    scanner.one(name)
    return scanner.one(name)


def converted(folder: Path) -> Path:
    save(scaler(2.0), folder / "model.onnx")
    inputs, outputs = ((TensorSpec(name, "float32", (-1, 2)),) for name in "xy")
    files = ("onnxruntime_onnx", "torch", "torchscript", "original/m.pt")
    served = ServedModel("onnx", *files, inputs, outputs, batched=True, classes=("a", "b"), params={"name": "other"})
    write_served(folder, served)
    write_checksums(folder)
    return folder


def test_an_empty_repository(scanner: Scanner) -> None:
    assert scanner.all() == {}


def test_a_bundle_is_there_at_once(scanner: Scanner, root: Path) -> None:
    make_bundle(root / "toy" / "3")
    entry = scanner.all()["toy"].versions["3"]
    assert (entry.kind, entry.problem) == ("bundle", "")
    assert entry.facts.branches == {"met": "flat", "charge": "flat", "Jet_pt": "jagged", "Jet_eta": "jagged"}
    assert entry.facts.classes == ("signal",)
    assert entry.facts.inputs[0].shape == (-1, 8)
    assert entry.facts.params is not None
    assert entry.facts.params["name"] == "toy"


def test_a_converted_model_is_there_at_once(scanner: Scanner, root: Path) -> None:
    converted(root / "other" / "1")
    entry = scanner.all()["other"].versions["1"]
    assert (entry.kind, entry.problem) == ("converted", "")
    assert entry.facts.classes == ("a", "b")
    assert entry.facts.params == {"name": "other"}
    metadata = dict(entry.facts.metadata or {})
    assert metadata.pop("created").startswith("20")
    assert (metadata["framework"], metadata["kind"], metadata["rows"]) == ("torch", "torchscript", 0)


@pytest.mark.parametrize("place", ["1/model.onnx", "model.onnx"])
def test_a_plain_file_must_stay_the_same_between_two_looks(scanner: Scanner, root: Path, place: str) -> None:
    file = save(scaler(2.0), root / "plain" / place)
    whole = file.read_bytes()
    file.write_bytes(whole[:20])
    assert scanner.all() == {}
    file.write_bytes(whole)
    assert scanner.all() == {}
    entry = scanner.all()["plain"].versions["1"]
    assert (entry.kind, entry.problem, entry.folder) == ("onnx", "", file.parent)


def test_tritons_layout(scanner: Scanner, root: Path) -> None:
    put(root, "plain", 4, 2.0)
    (root / "plain" / "config.pbtxt").write_text('name: "plain"\nmax_batch_size: 8\n')
    found = twice(scanner, "plain")
    assert found is not None
    assert list(found.versions) == ["4"]


def test_verified_once(scanner: Scanner, root: Path) -> None:
    make_bundle(root / "toy" / "1")
    first = scanner.all()["toy"].versions["1"]
    assert scanner.all()["toy"].versions["1"] is first


def test_a_bundle_that_is_being_copied_is_not_there_yet(scanner: Scanner, root: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    target = root / "toy" / "1"
    target.mkdir(parents=True)
    for path in sorted(bundle.iterdir()):
        assert scanner.all() == {}
        shutil.copy(path, target)
    assert scanner.all()["toy"].versions["1"].problem == ""


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"x"), "model.onnx is not what it was when the bundle"),
        (lambda folder: (folder / "specs.json").unlink(), "specs.json is missing"),
        (lambda folder: (folder / "more").write_text(""), "more does not belong to the bundle"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is not JSON"),
    ],
)
def test_a_damaged_bundle_is_listed_with_the_reason(scanner: Scanner, root: Path, damage: object, problem: str) -> None:
    folder = make_bundle(root / "toy" / "1")
    assert callable(damage)
    damage(folder)
    found = twice(scanner, "toy")
    assert found is not None
    assert found.versions["1"].problem.startswith(problem)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"x"), "model.onnx is not what it was when the model was"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx is missing"),
        (lambda folder: (folder / "more").write_text(""), "more does not belong to the model"),
        (lambda folder: (folder / "checksums.json").unlink(), "checksums.json is missing"),
        (lambda folder: (folder / "checksums.json").write_text("{}"), "checksums.json has no list of files"),
        (lambda folder: (folder / "checksums.json").write_text("["), "cannot be read"),
    ],
)
def test_a_damaged_converted_model_is_listed_with_the_reason(
    scanner: Scanner, root: Path, damage: object, problem: str
) -> None:
    folder = converted(root / "other" / "1")
    assert callable(damage)
    damage(folder)
    found = twice(scanner, "other")
    assert found is not None
    assert found.versions["1"].problem.startswith(problem)


@pytest.mark.parametrize(
    ("file", "problem"),
    [("model.graphdef", "model.graphdef is converted only at upload"), ("notes", "the folder holds no model.onnx")],
)
def test_a_version_without_a_model(scanner: Scanner, root: Path, file: str, problem: str) -> None:
    (root / "a" / "1").mkdir(parents=True)
    (root / "a" / "1" / file).write_text("x")
    found = twice(scanner, "a")
    assert found is not None
    assert found.versions["1"].problem.startswith(problem)


def test_damage_and_repair_are_noticed(scanner: Scanner, root: Path) -> None:
    folder = make_bundle(root / "toy" / "1")
    scanner.all()
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[:-1])
    assert scanner.all()["toy"].versions["1"].problem == ""  # perhaps it is being written
    assert scanner.all()["toy"].versions["1"].problem
    (folder / "model.onnx").write_bytes(content)
    assert scanner.all()["toy"].versions["1"].problem == ""


def test_what_goes_is_gone(scanner: Scanner, root: Path) -> None:
    for version in (1, 2):
        make_bundle(root / "toy" / str(version))
    assert list(scanner.all()["toy"].versions) == ["1", "2"]
    shutil.rmtree(root / "toy" / "1")
    assert list(scanner.all()["toy"].versions) == ["2"]
    shutil.rmtree(root / "toy")
    assert scanner.all() == {}


def test_settings_that_are_wrong_do_not_count(scanner: Scanner, root: Path) -> None:
    make_bundle(root / "toy" / "1")
    assert scanner.all()["toy"].settings == ModelSettings()
    (root / "toy" / "model.json").write_text('{"canary": 10}')
    assert scanner.all()["toy"].settings == ModelSettings(canary=10)
    for wrong in ('{"canary": 101}', "{", '{"canari": 1}', "[1]", '{"labels": {"latest": "1"}}'):
        (root / "toy" / "model.json").write_text(wrong)
        assert scanner.all()["toy"].settings == ModelSettings(canary=10)


def test_names_that_are_none_are_left_alone(scanner: Scanner, root: Path) -> None:
    for name in (".hidden", "with space", "-x"):
        make_bundle(root / name / "1")
    make_bundle(root / "toy" / "v1")
    make_bundle(root / "toy" / "01")
    (root / "file").write_text("")
    assert scanner.all() == {}


def test_a_link_that_leads_nowhere_is_damage(scanner: Scanner, root: Path) -> None:
    folder = make_bundle(root / "toy" / "1")
    (folder / "specs.json").unlink()
    (folder / "specs.json").symlink_to(folder / "none")
    found = twice(scanner, "toy")
    assert found is not None
    assert "specs.json" in found.versions["1"].problem


def test_the_same_size_and_time_is_still_another_file(scanner: Scanner, root: Path) -> None:
    folder = make_bundle(root / "toy" / "1")
    before = scanner.all()["toy"].versions["1"]
    file = folder / "model.onnx"
    stat, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    scanner.all()
    after = scanner.all()["toy"].versions["1"]
    assert after is not before
    assert after.problem.startswith("model.onnx is not what it was")
