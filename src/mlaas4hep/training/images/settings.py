"""What a user may choose for the classification of images."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from mlaas4hep.config.sections.events import Split
from mlaas4hep.errors import ConfigError

__all__ = ["ImageSettings", "size_of"]

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class ImageSettings:
    """Settings of one training.

    Attributes:
        folder: of the images, or of a folder ``train`` with them.
        labels: csv file of name,label.
        models: folder that gets the model.
        name: of the model.
        epochs: at most this many.
        patience: epochs without a lower validation loss after which it ends; 0: never.
        batch_size: images a step.
        size: height and width in pixels; None: that of the images.
        blocks, filters: see `resnet`.
        learning_rate: of Adam.
        split: shares, and the seed of the split.
        seed: of weights and order.
        workers: threads that read images.
    """

    folder: Path
    labels: Path
    models: Path = Path("models")
    name: str = "resnet"
    epochs: int = 200
    patience: int = 0
    batch_size: int = 32
    size: tuple[int, int] | None = None
    blocks: int = 2
    filters: int = 16
    learning_rate: float = 1e-3
    split: Split = field(default_factory=Split)
    seed: int = 0
    workers: int = 2

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            what = f"{self.name!a} cannot be the name of a model"
            raise ConfigError(what, where="--name", hint="use letters, digits and _.- (not first)")


def size_of(text: str | None) -> tuple[int, int] | None:
    """Height and width from ``64`` or ``64x48``.

    Raises:
        ConfigError: it is neither.
    """
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,3})(?:[x,]([1-9][0-9]{0,3}))?", text.strip().lower())
    if not match:
        raise ConfigError(f"{text!r} is not a size", where="--size", hint="write height and width: 64, or 64x48")
    return int(match[1]), int(match[2] or match[1])
