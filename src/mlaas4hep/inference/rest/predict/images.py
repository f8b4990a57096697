"""``POST /image``: predictions for a picture, resized and scaled as the model's input needs."""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from mlaas4hep.bundle.picture import FORMATS, MAX_PIXELS, MODES, SCALE, pixels_of
from mlaas4hep.errors.serving import BadRequestError, TooLargeError, UnsupportedMediaError
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.rest.forms import receive_form
from mlaas4hep.inference.rest.openapi import FORM, TFAAS, operation, ref
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.server import Server
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.rights import Right
from mlaas4hep.web.routes import Call

__all__ = ["MAX_PIXELS", "Frame", "calls", "decode_image", "frame_of"]

BEST = 5


def calls(resources: Resources) -> Sequence[Call]:
    """Return the calls that classify pictures."""
    handler = _PredictImage(resources.server, resources.settings)
    described = operation(
        TFAAS,
        "Classify a picture",
        body={FORM: ref("ImageForm")},
        answer={"anyOf": [ref("ImageLabels"), ref("Probabilities")]},
        errors="504",
        text="Resized and scaled as the model's input needs; the five best labels, or all probabilities.",
    )
    return [Call("POST", path, Right.PREDICT, handler, described) for path in ("/image", "/predict/image")]


@dataclass(frozen=True)
class Frame:
    """How a picture becomes a model's input.

    Attributes:
        name: of the input.
        dtype: of the input.
        height, width: pixels; -1: those of the picture.
        channels: 1 grey, 3 colour, 4 colour and opacity.
        layout: NHWC, NCHW, NHW or N (all pixels in one row, colours innermost).
        scale: the pixels 0-255 are divided by it.
        mean, std: subtracted and divided by afterwards, one number or one for each channel.
    """

    name: str
    dtype: str
    height: int
    width: int
    channels: int
    layout: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


class _PredictImage:
    """A form with ``image`` (png or jpg) and ``model``, answered with the five best labels or all probabilities."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server = server
        self._settings = settings

    async def __call__(self, request: Request) -> Response:
        """Return ``{"filename", "labels": [{"label", "probability"}]}`` if the model has class names, else numbers."""
        folder = self._settings.repository
        async with receive_form(request, folder, self._settings.limits.body) as form:
            if "image" not in form.files:
                raise BadRequestError("the form has no file called image")
            info = self._server.info(form.fields.get("model", ""), form.fields.get("version", ""))
            frame = frame_of(info)
            pixels = await asyncio.to_thread(_read, form.files["image"], frame)
            filename = form.names["image"]
        result = await self._server.infer(info.name, {frame.name: pixels}, None, info.version)
        scores = next(iter(result.outputs.values())).reshape(-1)
        if info.classes and len(info.classes) == len(scores):
            answer: Any = {"filename": filename, "labels": _best(scores, info.classes)}
        else:
            answer = [float(score) for score in scores]
        return Response(orjson.dumps(answer), media_type="application/json")


def frame_of(info: ModelInfo) -> Frame:
    """Read from a model's input, its params and their ``options`` what it takes.

    ``options`` of params.json may hold
    ``{"image": {"scale", "mean", "std", "layout", "height", "width", "channels"}}``. The default is a scale of 255, so
    that pixels go from 0 to 1; for inputs of whole numbers it is 1.

    Raises:
        BadRequestError: the model takes no picture.
    """
    params = info.params or {}
    options = params.get("options")
    options = options.get("image") if isinstance(options, Mapping) else None
    options = options if isinstance(options, Mapping) else {}
    if len(info.inputs) != 1:
        raise BadRequestError(f"the model {info.name} takes {len(info.inputs)} inputs, not a picture")
    spec = info.inputs[0]
    hint = options.get("channels", params.get("img_channels"))
    layout, height, width, channels = _shape(spec, hint, options.get("layout"), info.name)
    try:
        return Frame(
            spec.name,
            spec.dtype,
            int(options.get("height", height)),
            int(options.get("width", width)),
            channels,
            layout,
            float(options.get("scale", SCALE if spec.dtype.startswith("float") else 1.0)),
            _numbers(options.get("mean", 0.0)),
            _numbers(options.get("std", 1.0)),
        )
    except (TypeError, ValueError):
        raise BadRequestError(f"the image options of the model {info.name} are not numbers") from None


def decode_image(data: bytes, frame: Frame) -> NDArray[Any]:
    """Return a picture as the model's input, a batch of one.

    Args:
        data: the file, PNG or JPEG.
        frame: what the model takes.

    Raises:
        UnsupportedMediaError: it is neither.
        BadRequestError: it is damaged.
        TooLargeError: it has more than 40 million pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise UnsupportedMediaError("the image is neither PNG nor JPEG") from None
    except Image.DecompressionBombError:
        raise _many_pixels() from None
    except Exception as error:
        raise BadRequestError(f"the image is damaged ({error})") from None
    with picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise _many_pixels()
        size = (frame.width if frame.width > 0 else picture.width, frame.height if frame.height > 0 else picture.height)
        if size[0] * size[1] > MAX_PIXELS:
            raise _many_pixels()
        try:
            pixels = pixels_of(picture, *size, frame.channels).astype(np.float32)
        except Exception as error:
            raise BadRequestError(f"the image is damaged ({error})") from None
    mean, std = np.array(frame.mean, dtype=np.float32), np.array(frame.std, dtype=np.float32)
    pixels = (pixels / np.float32(frame.scale) - mean) / std
    return _laid_out(pixels.astype(frame.dtype), frame.layout)


def _read(path: Path, frame: Frame) -> NDArray[Any]:
    return decode_image(path.read_bytes(), frame)


def _laid_out(pixels: NDArray[Any], layout: str) -> NDArray[Any]:
    if layout == "NCHW":
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
    if layout == "NHW":
        return pixels[None, :, :, 0]
    if layout == "N":
        return pixels.reshape(1, -1)
    return pixels[None]


def _shape(spec: TensorSpec, hint: Any, layout: Any, model: str) -> tuple[str, int, int, int]:
    """Return layout, height, width and channels from the input's shape."""
    given = hint if type(hint) is int and hint in MODES else None
    shape = spec.shape
    if layout in ("NHWC", "NCHW") and len(shape) == 4:
        channels_last = layout == "NHWC"
    elif len(shape) == 4:
        plain = (1, 3)  # a size of 4 may also be a picture's
        channels_last = shape[3] in plain or (shape[1] not in plain and (shape[3] == 4 or shape[1] != 4))
    else:
        channels_last = True
    if len(shape) == 4:
        height, width = (shape[1], shape[2]) if channels_last else (shape[2], shape[3])
        channels = shape[3] if channels_last else shape[1]
        channels = (given or 3) if channels == -1 else channels
        if channels in MODES:
            return ("NHWC" if channels_last else "NCHW"), height, width, channels
    if len(shape) == 3:
        return "NHW", shape[1], shape[2], 1
    if len(shape) == 2:
        for channels in (given,) if given else (1, 3):
            side = isqrt(max(shape[1], 0) // channels)
            if side > 1 and side * side * channels == shape[1]:
                return "N", side, side, channels
    raise BadRequestError(f"the model {model} takes {spec.name} {list(shape)}, not a picture")


def _best(scores: NDArray[Any], classes: Sequence[str]) -> list[dict[str, Any]]:
    order = np.argsort(-scores, kind="stable")[:BEST]
    return [{"label": classes[i], "probability": float(scores[i])} for i in order]


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in value) if isinstance(value, (list, tuple)) else (float(value),)


def _many_pixels() -> TooLargeError:
    return TooLargeError(f"the image has more than {MAX_PIXELS} pixels")
