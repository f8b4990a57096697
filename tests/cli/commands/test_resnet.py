"""`resnet` and `hep_resnet`: what they write, that a seed repeats it, and every mistake as one line."""

from __future__ import annotations

import json
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from mlaas4hep.config import Split
from mlaas4hep.features.split import PARTS
from mlaas4hep.training.images.table import read_table
from mlaas4hep.training.images.workflow import split_images
from tests.support.cli import Outcome, run
from tests.support.tracks import draw_tracks

IMAGES = 240
SMALL = ("--blocks", 1, "--filters", 16, "--learning-rate", 3e-3)
FILES = {"model.keras", "model.onnx", "labels.txt", "params.json", "metrics.json"}


@dataclass(frozen=True)
class Drawn:
    """Images, their table, and a place for models."""

    folder: Path

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def table(self) -> Path:
        return self.folder / "labels.csv"

    def train(self, *options: object, command: str = "resnet") -> Outcome:
        given = ("--fdir", self.folder / "images", "--flabels", self.table, "--mdir", self.models)
        return run(command, *given, *SMALL, *options)

    def metrics(self, name: str = "resnet") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.models / name / "metrics.json").read_text())
        return found


@pytest.fixture
def few(tmp_path: Path) -> Drawn:
    draw_tracks(tmp_path, 40)
    return Drawn(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drawn, Outcome]:
    drawn = Drawn(tmp_path_factory.mktemp("tracks"))
    draw_tracks(drawn.folder, IMAGES)
    return drawn, drawn.train("--epochs", 6, "--json", command="hep_resnet")


def test_training(trained: tuple[Drawn, Outcome]) -> None:
    drawn, outcome = trained
    assert outcome.code == 0, outcome.err
    assert outcome.warnings == []
    found = json.loads(outcome.out)
    folder = drawn.models / "resnet"
    assert found["model"] == str(folder)
    assert {path.name for path in drawn.models.iterdir()} == {"resnet", "resnet.tar.gz"}
    assert {path.name for path in folder.iterdir()} == FILES
    assert found["metrics"] == drawn.metrics()
    test = found["metrics"]["parts"]["test"]
    assert test["unweighted"]["accuracy"] > 0.9
    assert (folder / "labels.txt").read_text() == "horizontal\nvertical\n"
    with tarfile.open(found["archive"]) as archive:
        assert set(archive.getnames()) == {f"resnet/{name}" for name in ("labels.txt", "model.keras", "params.json")}


def test_metrics_are_those_of_the_model(trained: tuple[Drawn, Outcome]) -> None:
    """Accuracy and loss of the parts, from the files alone; the parts follow from the names."""
    drawn, _ = trained
    metrics = drawn.metrics()
    table = read_table(drawn.table, drawn.folder / "images")
    part = split_images(table.images, Split())
    pixels = np.stack([np.asarray(Image.open(image.path)) for image in table.images])[..., np.newaxis]
    session = onnxruntime.InferenceSession(drawn.models / "resnet" / "model.onnx")
    (scores,) = session.run(None, {session.get_inputs()[0].name: pixels.astype(np.float32) / np.float32(255)})
    truth = np.array([image.y for image in table.images])
    for index, name in enumerate(PARTS):
        chosen = part == index
        figures = metrics["parts"][name]
        assert figures["events"] == chosen.sum()
        right = scores[chosen].argmax(axis=1) == truth[chosen]
        assert figures["unweighted"]["accuracy"] == pytest.approx(right.mean())
        loss = -np.log(scores[chosen, truth[chosen]]).mean()
        assert figures["unweighted"]["loss"] == pytest.approx(loss, rel=1e-3)
    curve = metrics["training"]["curves"]["val_loss"]
    assert metrics["training"]["best_epoch"] == int(np.argmin(curve)) + 1
    assert metrics["parts"]["validation"]["unweighted"]["loss"] == pytest.approx(min(curve), rel=1e-3)


def test_a_seed_repeats_everything(few: Drawn) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        outcome = few.train("--epochs", 2, "--name", name, "--seed", seed, "--workers", 1 + (name == "two"))
        assert outcome.code == 0, outcome.err
    weights = {name: (few.models / name / "model.keras").read_bytes() for name in ("one", "two", "three")}
    assert weights["one"] == weights["two"]
    assert weights["one"] != weights["three"]


def test_options(few: Drawn) -> None:
    """Numbers as labels, another size, an early end, no shares kept apart; a model of the name is replaced."""
    few.table.write_text(few.table.read_text().replace("horizontal", "10").replace("vertical", "9"))
    (few.models / "resnet").mkdir(parents=True)
    (few.models / "resnet" / "labels.txt").write_text("old")
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(few.folder / "images" / "train" / "other.png")
    outcome = few.train("--epochs", 50, "--patience", 1, "--size", "10x12", "--batch-size", 7, "--learning-rate", 1e-9)
    assert outcome.code == 0, outcome.err
    assert "written: " in outcome.out
    assert "Accuracy" in outcome.out
    assert outcome.warnings == [f"1 images in {few.folder / 'images'} are not listed in {few.table}"]
    assert {path.name for path in (few.models / "resnet").iterdir()} == FILES
    assert (few.models / "resnet" / "labels.txt").read_text() == "9\n10\n"
    metrics = few.metrics()
    assert metrics["image"] == {"height": 10, "width": 12, "channels": 1}
    assert metrics["training"]["epochs"] < 50
    outcome = few.train("--epochs", 1, "--validation", 0, "--test", 0, "--name", "all", "--quiet")
    assert (outcome.code, outcome.out, outcome.warnings) == (0, "", outcome.warnings[:1])
    assert few.metrics("all")["parts"]["train"]["events"] == 40


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--fdir", "nowhere"), "nowhere: no such folder"),
        (("--flabels", "nothing.csv"), "nothing.csv: no such file"),
        (("--size", "large"), "--size: 'large' is not a size; write height and width: 64, or 64x48"),
        (("--name", "../x"), "--name: '../x' cannot be the name of a model"),
        (("--validation", "0.5", "--test", "0.5"), "leave nothing for training"),
        (("--test", "0.999", "--validation", "0"), "has no image for train"),
        (("--epochs", "0"), "--epochs"),
    ],
)
def test_mistakes(few: Drawn, options: tuple[str, ...], says: str) -> None:
    outcome = few.train(*options)
    assert outcome.code == 2
    assert says in outcome.error
    assert outcome.out == ""
    assert not few.models.exists()


def test_mistakes_in_the_images(few: Drawn) -> None:
    (few.folder / "images" / "train" / "event3.png").write_bytes(b"text")
    outcome = few.train()
    assert outcome.code == 2
    assert f"{few.table}, line 5: " in outcome.error
    assert "event3.png is neither PNG nor JPEG" in outcome.error
    (few.folder / "images" / "train" / "event3.png").unlink()
    outcome = few.train()
    assert outcome.code == 2
    assert f"{few.table}, line 5: the image event3.png is not in " in outcome.error
    assert not few.models.exists()


def test_a_place_that_cannot_be_written(few: Drawn) -> None:
    few.models.write_text("")
    outcome = few.train()
    assert outcome.code == 2
    assert "a part of the path is a file, not a folder" in outcome.error


def test_without_keras(few: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    outcome = few.train()
    assert outcome.code == 2
    assert "pip install 'mlaas4hep[tensorflow]'" in outcome.error
    assert not few.models.exists()


def test_options_of_the_original(few: Drawn) -> None:
    """The table lies in the folder of the images, options have underscores; what is not done is said in one line."""
    few.table.rename(few.folder / "images" / "labels.csv")
    asked = (
        *("--batch_size=8", "--image_size=12,12", "--image_ext=png", "--split=0.5", "--optimizer=sgd"),
        *("--model=resnet18", "--augmentation", "--verbose", "--testing"),
    )
    given = ("--fdir", few.folder / "images", "--flabels=labels.csv", "--mdir", few.models, "--epochs=1")
    outcome = run("hep_resnet", *given, *SMALL, *asked)
    assert outcome.code == 0, outcome.err
    (warning,) = (line for line in outcome.warnings if "not used" in line)
    assert [f"--{name}" in warning for name in ("optimizer sgd", "model", "augmentation", "image_ext")] == [
        True
    ] * 3 + [False]
    metrics = few.metrics()
    table = read_table(few.folder / "images" / "labels.csv", few.folder / "images")
    part = split_images(table.images, Split(validation=0.25, test=0.25))
    counts = {name: int((part == index).sum()) for index, name in enumerate(PARTS)}
    assert {name: metrics["parts"][name]["events"] for name in PARTS} == counts
    assert all(name in few.train("--split", 0.5, "--test", 0.1).error for name in ("--split", "--test"))
