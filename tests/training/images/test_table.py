"""The table of labels: what may stand in it, and what is wrong in which line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.training.images.table import Table, read_table


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images in a folder train."""
    place = tmp_path / "images" / "train"
    place.mkdir(parents=True)
    for name in ("a.png", "b.png", "c.jpg"):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(place / name)
    return place.parent


def read(images: Path, text: str | bytes) -> Table:
    path = images.parent / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, images)


@pytest.mark.parametrize(
    "text", ["name,label\na,x\nb,y\nc,x\n", '\ufeffLabel, Name\n x ,a.png\n\n"y","b.png"\r\nx,c\n']
)
def test_names_and_labels(images: Path, text: str) -> None:
    found = read(images, text)
    assert [(image.name, image.y) for image in found.images] == [("a.png", 0), ("b.png", 1), ("c.jpg", 0)]
    assert [image.path for image in found.images] == [images / "train" / n for n in ("a.png", "b.png", "c.jpg")]
    assert (found.classes, found.unlisted) == (("x", "y"), 0)


def test_images_in_the_folder_itself(images: Path) -> None:
    found = read(images / "train", "name,label\na,x\nb,y\n")
    assert [image.path.name for image in found.images] == ["a.png", "b.png"]
    assert found.unlisted == 1


@pytest.mark.parametrize(
    ("labels", "classes", "y"),
    [
        (("10", "9", "10.0"), ("9", "10"), [1, 0, 1]),
        (("0.5", "0", "2"), ("0", "0.5", "2"), [1, 0, 2]),
        (("10", "9", "jet"), ("10", "9", "jet"), [0, 1, 2]),
        (("H  bb", "Z", "H bb"), ("H bb", "Z"), [0, 1, 0]),
        (("nan", "inf", "1"), ("1", "inf", "nan"), [2, 1, 0]),
    ],
)
def test_classes(images: Path, labels: tuple[str, ...], classes: tuple[str, ...], y: list[int]) -> None:
    lines = [f"{name},{label}" for name, label in zip("abc", labels, strict=True)]
    found = read(images, "\n".join(["name,label", *lines]))
    assert found.classes == classes
    assert [image.y for image in found.images] == y


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "labels.csv: is empty; let the first line be: name,label"),
        ("a.png,x\nb.png,y\n", "labels.csv, line 1: the header 'a.png,x' has no column name"),
        ("name,colour\na,x\n", "labels.csv, line 1: the header 'name,colour' has no column label"),
        ("name,label\na,x\nd,y\n", "labels.csv, line 3: the image d is not in "),
        ("name,label\na,x\n,y\n", "labels.csv, line 3: the name of the image is empty"),
        ("name,label\na,x\n\nb\n", "labels.csv, line 4: has 1 of 2 columns"),
        ("name,label\na,x\nb, \n", "labels.csv, line 3: the image b has no label"),
        ("name,label\na,x\nb,y\na.png,y\n", "labels.csv, line 4: the image a.png is already in line 2"),
        ("name,label\na,x\nb,x\n", "labels.csv: there is only one class, x"),
        ("name,label\na,1\nb,1.0\n", "labels.csv: there is only one class, 1"),
        ("name,label\n", "labels.csv: there is no image"),
        (b"name,label\na,\xff\n", "labels.csv: is not text in UTF-8"),
    ],
)
def test_mistakes(images: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(MLaaS4HEPError) as caught:
        read(images, text)
    assert f"{images.parent}/{says}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_there(images: Path) -> None:
    with pytest.raises(MLaaS4HEPError, match=r"nowhere: no such folder; --fdir"):
        read_table(images.parent / "labels.csv", images.parent / "nowhere")
    with pytest.raises(MLaaS4HEPError, match=r"labels\.csv: no such file; --flabels"):
        read_table(images.parent / "labels.csv", images)
