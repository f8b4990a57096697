"""Where a training keeps its checkpoints, and whether those found belong to the same training."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError, OutputError
from mlaas4hep.streaming.files import DataFile

__all__ = ["checkpoint_folder", "open_checkpoint", "remove_checkpoint"]

_KEY = "training.json"


def checkpoint_folder(destination: Path) -> Path:
    """The folder beside the bundle-to-be."""
    return destination.with_name(f"{destination.name}.checkpoint")


def open_checkpoint(destination: Path, workflow: Workflow, files: Sequence[DataFile], *, resume: bool) -> Path:
    """Make the folder, or find it again.

    Raises:
        ConfigError: it is to be resumed but is of another training: other data, model or configuration.
        OutputError: it cannot be made.
    """
    folder = checkpoint_folder(destination)
    key = _key(workflow, files)
    stored = folder / _KEY
    if resume and stored.is_file():
        if json.loads(stored.read_text()) != key:
            raise ConfigError(
                "the checkpoint is of a training with other data, model or configuration",
                where=str(folder),
                hint="train without --resume, or restore what was changed",
            )
        return folder
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stored.write_text(json.dumps(key))
    except OSError as error:
        raise OutputError(f"no checkpoint can be written: {error.strerror}", where=str(folder)) from error
    return folder


def remove_checkpoint(destination: Path) -> None:
    """Remove the folder after the bundle was published."""
    shutil.rmtree(checkpoint_folder(destination), ignore_errors=True)


def _key(workflow: Workflow, files: Sequence[DataFile]) -> dict[str, str]:
    """What must be the same for a training to be continued. How events are read does not matter."""
    assert workflow.training is not None
    configuration = workflow.model_dump(mode="json", exclude={"histograms": True})
    for name in ("workers", "memory_limit"):
        del configuration["reading"][name]
    content = {
        "configuration": json.dumps(configuration, sort_keys=True),
        "files": " ".join(file.source.identity for file in files),
        "model": workflow.training.model.read_text(),
    }
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in content.items()}
