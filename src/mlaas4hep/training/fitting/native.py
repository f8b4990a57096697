"""The framework's own form of a trained model, as a bundle keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlaas4hep.frameworks.native import ABOUT_FILE
from mlaas4hep.frameworks.target import TargetScale
from mlaas4hep.training.events.base import Task

if TYPE_CHECKING:
    from mlaas4hep.training.backends.base import Backend

__all__ = ["save_native"]


def save_native(
    backend: Backend, model: Any, folder: Path, source: Path, task: Task, target: TargetScale | None
) -> None:
    """Write the model and ``about.json``, which says how its numbers become scores, into an empty folder.

    Args:
        backend: the model's.
        model: trained.
        folder: exists.
        source: the user's model file.
        task: binary, multiclass or regression.
        target: how the target was shifted and scaled.
    """
    backend.save(model, folder, source)
    about: dict[str, Any] = {
        "class": type(model).__qualname__,
        "framework": backend.name,
        "output": backend.output(model, task).raw,
    }
    if target is not None:
        about["target"] = {"offset": target.offset, "scale": target.scale}
    (folder / ABOUT_FILE).write_text(json.dumps(about) + "\n")
