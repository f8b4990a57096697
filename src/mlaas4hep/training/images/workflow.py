"""From a folder of images and a table of labels to a model that the server takes."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.atomic.alone import alone
from mlaas4hep.atomic.files import check_place
from mlaas4hep.atomic.scratch import temporary_files
from mlaas4hep.config.sections.events import Split
from mlaas4hep.errors import SplitError
from mlaas4hep.features.split import PARTS, TEST, identity_hash, parts_of
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.training.images.learn import Learnt, Samples, build, learn, scores_of
from mlaas4hep.training.images.pixels import Frame, Pixels, frame_of
from mlaas4hep.training.images.publish import publish
from mlaas4hep.training.images.settings import ImageSettings
from mlaas4hep.training.images.table import LabelledImage, Table, read_table
from mlaas4hep.training.metrics.compute import evaluate
from mlaas4hep.training.metrics.parts import Part
from mlaas4hep.training.publishing.packages import package_versions

__all__ = ["ImageResult", "split_images", "train_on_images"]

COMPARED = 64


@dataclass(frozen=True)
class ImageResult:
    """What a training gave: the model's folder, the same packed, and the content of ``metrics.json``."""

    folder: Path
    archive: Path
    metrics: dict[str, Any]


def train_on_images(settings: ImageSettings, monitor: Monitor) -> ImageResult:
    """Train as configured and write the model.

    Raises:
        MLaaS4HEPError: a mistake in settings, table or images; nothing is written then.
    """
    place = settings.models / settings.name
    check_place(place)
    with alone(place, monitor.alert), temporary_files():
        return _train(settings, monitor)


def _train(settings: ImageSettings, monitor: Monitor) -> ImageResult:
    table = read_table(settings.labels, settings.folder)
    if table.unlisted:
        monitor.warn(f"{table.unlisted} images in {settings.folder} are not listed in {settings.labels}")
    y = np.array([image.y for image in table.images], dtype=np.int64)
    part = split_images(table.images, settings.split)
    _check_split(y, part, table, settings.split)
    frame = frame_of(table.images, settings.size, settings.workers, monitor)
    samples = Samples(Pixels(table.images, frame), y, part)
    model = build(frame, len(table.classes), settings)
    learnt = learn(model, samples, settings, monitor)
    metrics = _metrics(model, samples, table, frame, learnt, settings)
    compared = samples.of(TEST) if settings.split.test else np.arange(len(y))
    rows = samples.pixels.batch(compared[:COMPARED])
    folder, archive = publish(model, settings.models, settings.name, frame, table.classes, metrics, rows, monitor)
    return ImageResult(folder, archive, metrics)


def split_images(images: tuple[LabelledImage, ...], split: Split) -> NDArray[np.int8]:
    """Return the part of each image, int8 [N], from a hash of its name and nothing else."""
    digests = [hashlib.blake2b(image.name.encode(), digest_size=8).digest() for image in images]
    words = np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)
    return parts_of(identity_hash([words], split.seed), split)


def _check_split(y: NDArray[np.int64], part: NDArray[np.int8], table: Table, split: Split) -> None:
    for index, (name, share) in enumerate(zip(PARTS, (split.train, split.validation, split.test), strict=True)):
        counts = np.bincount(y[part == index], minlength=len(table.classes))
        if share and not counts.all():
            raise SplitError(
                f"class {table.classes[int(counts.argmin())]} has no image for {name}",
                hint="use more images, other shares of the split, or another seed",
            )


def _metrics(
    model: Any, samples: Samples, table: Table, frame: Frame, learnt: Learnt, settings: ImageSettings
) -> dict[str, Any]:
    parts = {}
    for index, name in enumerate(PARTS):
        numbers = samples.of(index)
        if len(numbers):
            scores = scores_of(model, samples.pixels, numbers, settings)
            parts[name] = Part(samples.y[numbers], scores, np.ones(len(numbers)))
    found = evaluate("multiclass", table.classes, parts, seed=settings.seed)
    network = {"blocks": settings.blocks, "filters": settings.filters, "batch_size": settings.batch_size}
    return {
        **found,
        "image": asdict(frame),
        "training": {
            **network,
            "learning_rate": settings.learning_rate,
            "seed": settings.seed,
            "split": settings.split.model_dump(),
            "epochs": len(next(iter(learnt.curves.values()))),
            "best_epoch": learnt.best,
            "curves": learnt.curves,
        },
        "packages": package_versions(),
    }
