"""From a picture to pixels: the same in the training and in the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FORMATS", "MAX_PIXELS", "MODES", "SCALE", "is_grey", "pixels_of"]

FORMATS = ("PNG", "JPEG")
MAX_PIXELS = 40_000_000
SCALE = 255.0
"""A pixel of 8 bits is divided by it where nothing else is said."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def pixels_of(picture: Image, width: int, height: int, channels: int) -> NDArray[np.uint8]:
    """Return the pixels, uint8 [height, width, channels]; resized bilinearly where the picture has another size.

    Args:
        picture: opened with Pillow; it is read here.
        width: in pixels.
        height: in pixels.
        channels: 1 grey, 3 colour, 4 colour and opacity.

    Raises:
        Exception: of any kind, if the file is damaged.
    """
    from PIL import Image

    converted = _eight_bits(picture).convert(MODES[channels])
    if converted.size != (width, height):
        converted = converted.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(converted, dtype=np.uint8).reshape(height, width, channels)


def is_grey(picture: Image) -> bool:
    """Return true if the file holds no colours."""
    return picture.mode in {"1", "L", "LA", "La", "I", "F"} or picture.mode.startswith("I;16")


def _eight_bits(picture: Any) -> Any:
    """Sixteen-bit grey becomes eight-bit grey; Pillow's own conversion would clip it."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        from PIL import Image

        return Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    return picture
