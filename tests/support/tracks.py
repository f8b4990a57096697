"""Event images drawn for tests: tracks that go across or along, with noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["CLASSES", "draw_tracks", "track"]

CLASSES = ("horizontal", "vertical")


def track(rng: np.random.Generator, kind: str, side: int = 16) -> NDArray[np.uint8]:
    """One grey image with two lines."""
    pixels = rng.integers(0, 80, (side, side))
    for row in rng.choice(side, 2, replace=False):
        pixels[row, rng.integers(0, 3) : side - rng.integers(0, 3)] = rng.integers(180, 256)
    return (pixels.T if kind == "vertical" else pixels).astype(np.uint8)


def draw_tracks(folder: Path, number: int, labels: tuple[str, str] = CLASSES, seed: int = 5) -> Path:
    """Write ``images/train/*.png`` and the table of their labels; half of them of each class.

    Returns:
        labels.csv.
    """
    rng = np.random.default_rng(seed)
    place = folder / "images" / "train"
    place.mkdir(parents=True)
    lines = ["name,label"]
    for index in range(number):
        kind = index % 2
        Image.fromarray(track(rng, CLASSES[kind])).save(place / f"event{index}.png")
        lines.append(f"event{index}.png,{labels[kind]}")
    table = folder / "labels.csv"
    table.write_text("\n".join(lines) + "\n")
    return table
