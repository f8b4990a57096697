"""Pictures as models take them, against Pillow and numpy by hand."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlaas4hep.errors.serving import BadRequestError, ServingError, TooLargeError, UnsupportedMediaError
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.rest.predict.images import decode_image, frame_of


def info(*shape: int, dtype: str = "float32", **params: Any) -> ModelInfo:
    """A model with one input."""
    return ModelInfo(name="m", version="1", state="READY", inputs=(TensorSpec("x", dtype, shape),), params=params)


def picture(pixels: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    """A file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG that says it is large and holds nothing."""

    def part(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = part(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + data + part(b"IEND", b"")


RGB = np.random.default_rng(1).integers(0, 256, (6, 4, 3), dtype=np.uint8)
GREY = RGB[:, :, 0]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((-1, 6, 4, 3), RGB[None] / 255),
        ((-1, 3, 6, 4), RGB.transpose(2, 0, 1)[None] / 255),
        ((1, -1, -1, 3), RGB[None] / 255),
        ((-1, -1, -1, -1), RGB[None] / 255),
    ],
)
def test_colour_goes_where_the_model_wants_it(shape: tuple[int, ...], expected: NDArray[np.float64]) -> None:
    found = decode_image(picture(RGB), frame_of(info(*shape)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((-1, 6, 4, 1), GREY[None, :, :, None]),
        ((-1, 1, 6, 4), GREY[None, None]),
        ((-1, 6, 4), GREY[None]),
    ],
)
def test_grey_goes_where_the_model_wants_it(shape: tuple[int, ...], expected: NDArray[np.uint8]) -> None:
    np.testing.assert_allclose(decode_image(picture(GREY), frame_of(info(*shape))), expected / 255, atol=1e-7)


def test_a_flat_input_takes_all_pixels_in_a_row() -> None:
    square = GREY[:4]
    np.testing.assert_allclose(
        decode_image(picture(square), frame_of(info(-1, 16))), square.reshape(1, -1) / 255, atol=1e-7
    )
    colour = frame_of(info(-1, 48))
    assert (colour.height, colour.width, colour.channels) == (4, 4, 3)


def test_a_picture_of_another_size_is_resized_as_pillow_does() -> None:
    expected = np.asarray(Image.fromarray(RGB).resize((8, 5), Image.Resampling.BILINEAR)) / 255
    np.testing.assert_allclose(decode_image(picture(RGB), frame_of(info(-1, 5, 8, 3)))[0], expected, atol=1e-7)


def test_colour_becomes_grey_as_pillow_does() -> None:
    expected = np.asarray(Image.fromarray(RGB).convert("L")) / 255
    np.testing.assert_allclose(decode_image(picture(RGB), frame_of(info(-1, 6, 4, 1)))[0, :, :, 0], expected, atol=1e-7)


def test_sixteen_bits_become_eight() -> None:
    deep = (GREY.astype(np.uint16) << 8) + 7
    found = decode_image(picture(deep), frame_of(info(-1, 6, 4, 1)))  # type: ignore[arg-type]
    np.testing.assert_allclose(found[0, :, :, 0], GREY / 255, atol=1e-7)


def test_options_of_the_params_say_how_pixels_are_scaled() -> None:
    options = {"image": {"scale": 1, "mean": [1, 2, 3], "std": [2, 2, 4]}}
    found = decode_image(picture(RGB), frame_of(info(-1, 6, 4, 3, options=options)))
    np.testing.assert_allclose(found[0], (RGB.astype(np.float32) - [1, 2, 3]) / [2, 2, 4], atol=1e-5)


def test_options_of_the_params_say_what_the_shape_does_not() -> None:
    options = {"image": {"layout": "NCHW", "height": 2, "width": 3, "channels": 1}}
    assert decode_image(picture(RGB), frame_of(info(-1, -1, -1, -1, options=options))).shape == (1, 1, 2, 3)
    assert frame_of(info(-1, -1, -1, -1, img_channels=1)).channels == 1


def test_whole_numbers_stay_pixels() -> None:
    found = decode_image(picture(RGB), frame_of(info(-1, 6, 4, 3, dtype="uint8")))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[0], RGB)


def test_jpeg_is_understood() -> None:
    data = picture(RGB, "JPEG")
    expected = np.asarray(Image.open(io.BytesIO(data))) / 255
    np.testing.assert_allclose(decode_image(data, frame_of(info(-1, 6, 4, 3)))[0], expected, atol=1e-7)


@pytest.mark.parametrize("shape", [(-1, 17), (-1, 5, 6, 7), (-1,), (), (-1, 2, 3, 4, 5)])
def test_a_model_of_something_else_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadRequestError, match=r"the model m takes x .*, not a picture"):
        frame_of(info(*shape))


def test_a_model_of_two_inputs_takes_no_picture() -> None:
    spec = TensorSpec("x", "float32", (-1, 4, 4, 3))
    with pytest.raises(BadRequestError, match="takes 2 inputs"):
        frame_of(ModelInfo(name="m", version="1", state="READY", inputs=(spec, spec)))


def test_options_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(BadRequestError, match="the image options of the model m are not numbers"):
        frame_of(info(-1, 4, 4, 3, options={"image": {"scale": "much"}}))


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (b"", UnsupportedMediaError, "neither PNG nor JPEG"),
        (b"not a picture", UnsupportedMediaError, "neither PNG nor JPEG"),
        (b"GIF89a" + bytes(40), UnsupportedMediaError, "neither PNG nor JPEG"),
        (picture(RGB)[:-30], BadRequestError, "the image is damaged"),
        (picture(RGB, "JPEG")[:300], ServingError, "image"),
        (png(20_000, 20_000), TooLargeError, "more than 40000000 pixels"),
        (png(9_000, 9_000), TooLargeError, "more than 40000000 pixels"),
        (png(30, 30), BadRequestError, "the image is damaged"),
    ],
)
def test_hostile_pictures_are_refused(data: bytes, kind: type[ServingError], says: str) -> None:
    with pytest.raises(kind, match=says):
        decode_image(data, frame_of(info(-1, 6, 4, 3)))


def test_a_bomb_in_a_text_chunk_is_refused() -> None:
    bomb = b"k\0\0" + zlib.compress(bytes(200 * 2**20), 9)
    part = struct.pack(">I", len(bomb)) + b"zTXt" + bomb + struct.pack(">I", zlib.crc32(b"zTXt" + bomb))
    data = picture(RGB)
    with pytest.raises(BadRequestError, match="the image is damaged"):
        decode_image(data[:33] + part * 2 + data[33:], frame_of(info(-1, 6, 4, 3)))
