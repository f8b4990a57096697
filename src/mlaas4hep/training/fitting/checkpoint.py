"""Where a training keeps its checkpoints, and whether those found belong to the same training."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlaas4hep.atomic.files import beside, replace
from mlaas4hep.atomic.scratch import fitting
from mlaas4hep.atomic.through import final
from mlaas4hep.errors import ConfigError, OutputError
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.streaming.scan.result import Scan
from mlaas4hep.streaming.scan.state import scan_to_state
from mlaas4hep.training.user_code.user_model import sources_of

__all__ = ["checkpoint_folder", "checkpointing", "training_key"]

_KEY = "training.json"


def checkpoint_folder(destination: Path) -> Path:
    """Return the folder beside the bundle-to-be."""
    place = final(destination)
    return place.with_name(fitting(place.name, behind=".checkpoint"))


def training_key(
    configuration: Mapping[str, Any], model: Path, specs: Path | None, files: Sequence[DataFile], scan: Scan
) -> dict[str, str]:
    """Return digests of what must be the same for a training to be continued.

    Args:
        configuration: all settings that decide what is trained, as JSON values.
        model: the user's model file, which is loaded.
        specs: computed earlier, if any.
        files: in canonical order.
        scan: what the first pass found in them; a file that was rewritten in place keeps its UUID, but not this.
    """
    content = {
        "configuration": json.dumps(configuration, sort_keys=True),
        "files": " ".join(file.source.identity for file in files),
        "events": json.dumps(scan_to_state(scan), sort_keys=True),
        "preprocessing": " ".join({file.source.computed.sha256: "" for file in files if file.source.computed}),
        "model": "\0".join(sources_of(model)),
        "specs": specs.read_text() if specs else "",
    }
    return {name: hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest() for name, text in content.items()}


@contextmanager
def checkpointing(destination: Path, key: Mapping[str, str], monitor: Monitor, *, resume: bool) -> Iterator[Path]:
    """Make the folder, or find it again; it stays only if the training inside stops after its first checkpoint.

    Args:
        destination: of the bundle.
        key: of the training; see `training_key`.
        monitor: told if there is nothing to resume.
        resume: find the checkpoint again.

    Raises:
        ConfigError: it is to be resumed but is of another training: other data, model or configuration.
        OutputError: it cannot be made, or something else is there.
    """
    folder = checkpoint_folder(destination)
    _open(folder, key, monitor, resume=resume)
    try:
        yield folder
    except BaseException:
        if not _used(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _open(folder: Path, key: Mapping[str, str], monitor: Monitor, *, resume: bool) -> None:
    there = folder.exists() or folder.is_symlink()
    if there and not (folder / _KEY).is_file():
        raise OutputError(
            "it exists and is not a checkpoint, where checkpoints would be written",
            where=str(folder),
            hint="remove it or choose another name for the bundle",
        )
    if resume and there:
        if _read(folder / _KEY) != dict(key):
            raise ConfigError(
                "the checkpoint is of a training with other data, model or configuration",
                where=str(folder),
                hint="train without --resume, or restore what was changed",
            )
        return
    if resume:
        monitor.note(f"{folder}: no checkpoint is there, so the training starts from the beginning")
    with beside(folder) as partial:
        partial.mkdir()
        (partial / _KEY).write_text(json.dumps(dict(key)), encoding="utf-8")
        replace(partial, folder)


def _used(folder: Path) -> bool:
    try:
        return any(path.name != _KEY for path in folder.iterdir())
    except OSError:
        return True


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
