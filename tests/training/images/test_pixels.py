"""Images as the network takes them: as the server does it, whatever the file; damaged ones are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlaas4hep.errors import FileReadError
from mlaas4hep.inference.rest.predict.images import Frame as ServedFrame
from mlaas4hep.inference.rest.predict.images import decode_image
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.images.pixels import Frame, Pixels, frame_of
from mlaas4hep.training.images.table import LabelledImage

RNG = np.random.default_rng(8)
GREY = RNG.integers(0, 256, (12, 9)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (12, 9, 3)).astype(np.uint8)
SHADES = RNG.integers(0, 65536, (12, 9)).astype(np.uint16)


def images(folder: Path, *pictures: Image.Image, suffix: str = ".png") -> list[LabelledImage]:
    found = []
    for number, picture in enumerate(pictures):
        path = folder / f"{number}{suffix}"
        picture.save(path)
        found.append(LabelledImage(path.name, path, number % 2, f"labels.csv, line {number + 2}"))
    return found


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("size", [None, (12, 9), (7, 20)])
@pytest.mark.parametrize("keep", [0, 10**6])
def test_the_server_sees_the_same(tmp_path: Path, suffix: str, size: tuple[int, int] | None, keep: int) -> None:
    pictures = [Image.fromarray(GREY), Image.fromarray(COLOUR)]
    if suffix == ".png":
        pictures += [
            Image.fromarray(SHADES),
            Image.fromarray(COLOUR).quantize(16),
            Image.fromarray(COLOUR).convert("RGBA"),
        ]
    found = images(tmp_path, *pictures, suffix=suffix)
    frame = frame_of(found, size, 2, Collector())
    assert frame == Frame(*(size or (12, 9)), 3)
    pixels = Pixels(found, frame, keep)
    numbers = np.arange(len(found))[::-1]
    served = ServedFrame("image", "float32", frame.height, frame.width, 3, "NHWC", 255.0, (0.0,), (1.0,))
    for _ in range(2):
        batch = pixels.batch(numbers)
        assert batch.dtype == np.float32
        for number, row in zip(numbers, batch, strict=True):
            expected = decode_image(found[number].path.read_bytes(), served)
            assert np.array_equal(row[np.newaxis], expected)


def test_grey_images(tmp_path: Path) -> None:
    found = images(tmp_path, Image.fromarray(GREY), Image.fromarray(SHADES))
    frame = frame_of(found, None, 1, Collector())
    assert frame == Frame(12, 9, 1)
    batch = Pixels(found, frame).batch(np.arange(2))
    assert np.array_equal(batch[0, :, :, 0], GREY.astype(np.float32) / np.float32(255))
    assert np.array_equal(batch[1, :, :, 0], (SHADES >> 8).astype(np.float32) / np.float32(255))


def test_sizes_that_differ(tmp_path: Path) -> None:
    found = images(tmp_path, *[Image.fromarray(GREY)] * 2, Image.fromarray(GREY.T))
    with pytest.raises(FileReadError) as caught:
        frame_of(found, None, 1, Collector())
    assert str(caught.value) == (
        "labels.csv, line 4: the image 2.png has 9 x 12 pixels, others have 12 x 9; use --size 12x9 to resize all"
    )


def test_files_that_are_no_images(tmp_path: Path) -> None:
    found = images(tmp_path, *[Image.fromarray(GREY)] * 2)
    content = found[1].path.read_bytes()
    for wrong, what in ((b"no image", "is neither PNG nor JPEG"), (content[:-30], "is damaged"), (b"", "is neither")):
        found[1].path.write_bytes(wrong)
        with pytest.raises(FileReadError, match=rf"labels\.csv, line 3: \S*1\.png {what}"):
            frame_of(found, None, 1, Collector())
    found[1].path.unlink()
    with pytest.raises(FileReadError, match=r"line 3: \S*1\.png is damaged or cannot be read"):
        frame_of(found, None, 1, Collector())
