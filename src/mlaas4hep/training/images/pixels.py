"""Images as the network takes them: checked once, then read batch by batch."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.bundle.picture import FORMATS, MAX_PIXELS, SCALE, is_grey, pixels_of
from mlaas4hep.errors import FileReadError
from mlaas4hep.streaming.execution import Executor
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.training.images.table import LabelledImage

__all__ = ["Frame", "Pixels", "frame_of"]

KEEP = 512 * 2**20
"""Bytes of pixels that may stay in memory."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Size of the pictures in pixels, and 1 channel for grey or 3 for colour."""

    height: int
    width: int
    channels: int


def frame_of(images: Sequence[LabelledImage], size: tuple[int, int] | None, workers: int, monitor: Monitor) -> Frame:
    """Read every image once and decide on the frame: colour if any image has it.

    Args:
        images: all of them.
        size: height and width that the images are resized to; None: all have the same.
        workers: threads that read.
        monitor: told about progress.

    Raises:
        FileReadError: an image is damaged or no image; or sizes differ and none is given.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    first: dict[tuple[int, int], LabelledImage] = {}
    grey = True
    with monitor.stage("checking", len(images), "images") as advance:
        for image, (height, width, plain) in zip(images, Executor(workers).map(_look, images), strict=True):
            sizes[height, width] += 1
            first.setdefault((height, width), image)
            grey = grey and plain
            advance(1, "")
    if size is None and len(sizes) > 1:
        (most, _), *_, (least, _) = sizes.most_common()
        raise FileReadError(
            f"the image {first[least].name} has {_shown(least)} pixels, others have {_shown(most)}",
            where=first[least].where,
            hint=f"use --size {most[0]}x{most[1]} to resize all",
        )
    height, width = size or next(iter(sizes))
    return Frame(height, width, 1 if grey else 3)


class Pixels:
    """Reads images; keeps those it has read if all of them are small enough for the memory.

    Args:
        images: all of them.
        frame: they are made to it.
        keep: bytes that may stay in memory.
    """

    def __init__(self, images: Sequence[LabelledImage], frame: Frame, keep: int = KEEP) -> None:
        self.images, self.frame = images, frame
        fits = len(images) * frame.height * frame.width * frame.channels <= keep
        self._kept: dict[int, NDArray[np.uint8]] | None = {} if fits else None

    def batch(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the images of these numbers from 0 to 1, float32 [n, height, width, channels]."""
        return np.stack([self._one(number) for number in numbers.tolist()]).astype(np.float32) / np.float32(SCALE)

    def _one(self, number: int) -> NDArray[np.uint8]:
        if self._kept is not None and number in self._kept:
            return self._kept[number]
        pixels = _read(self.images[number], self.frame)[0]
        if self._kept is not None:
            self._kept[number] = pixels
        return pixels


def _look(image: LabelledImage) -> tuple[int, int, bool]:
    pixels, grey = _read(image, None)
    return pixels.shape[0], pixels.shape[1], grey


def _read(image: LabelledImage, frame: Frame | None) -> tuple[NDArray[np.uint8], bool]:
    """The pixels in a frame, or in the image's own size; and whether it is grey."""
    from PIL import Image, UnidentifiedImageError

    def wrong(what: str) -> FileReadError:
        return FileReadError(f"{image.path} {what}", where=image.where, hint="remove the line, or repair the file")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(image.path, formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise wrong(f"has more than {MAX_PIXELS} pixels")
                grey = is_grey(picture)
                own = Frame(picture.height, picture.width, 1 if grey else 3)
                frame = frame or own
                return pixels_of(picture, frame.width, frame.height, frame.channels), grey
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        many = isinstance(error, Image.DecompressionBombError)
        raise wrong(f"has more than {MAX_PIXELS} pixels" if many else "is neither PNG nor JPEG") from error
    except FileReadError:
        raise
    except Exception as error:  # decoders raise anything
        raise wrong(f"is damaged or cannot be read ({error})") from error


def _shown(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
