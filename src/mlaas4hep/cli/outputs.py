"""What commands write: checked before the work against what they read and what is there; then whole or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from mlaas4hep.cli.replaceable import Kind, replaceable

if TYPE_CHECKING:
    from mlaas4hep.config.workflow import Workflow

__all__ = ["Output", "check_outputs", "files_of", "write_text"]

FOLDERS = ("bundle", "model", "folder")


@dataclass(frozen=True)
class Output:
    """Something that a command will write.

    Attributes:
        option: that names it, for messages.
        path: of the output.
        kind: decides what may be replaced without being asked: outputs of the same kind alone; of the kinds scores and
            archive nothing. To a folder files are added, to a log lines.
    """

    option: str
    path: Path
    kind: Kind


def check_outputs(outputs: Sequence[Output], given: Iterable[object], *, overwrite: bool = False) -> None:
    """See before the work that no output destroys an input, another output, a bundle, or a file of another kind.

    Args:
        outputs: all of the command.
        given: the values of all other options and arguments; every file or folder that they name counts as read, also
            with a tree behind. A text may be a list separated by commas and hold patterns, a Path is one name.
        overwrite: replace files of any kind, but for inputs and folders.

    Raises:
        OutputError: an output must not be written; the message names its option.
    """
    from mlaas4hep.atomic.files import check_place
    from mlaas4hep.atomic.through import is_open_end
    from mlaas4hep.errors import OutputError

    for output in outputs:
        check_place(output.path, file=output.kind not in FOLDERS)
    inputs = set(_there(list(given)))
    written = [output for output in outputs if not is_open_end(output.path)]
    for output in written:
        for read in inputs:
            if _destroys(output, read):
                what = f"{output.option} would destroy {read}, which the command reads"
                raise OutputError(what, where=str(output.path), hint="choose another name")
        if output.kind == "folder" and output.path.exists() and not output.path.is_dir():
            raise OutputError(f"{output.option} is a file, not a folder", where=str(output.path))
        bundle = _bundle_around(output.path)
        if bundle is not None:
            what = f"{output.option} lies in the model bundle {bundle}, which another file would break"
            raise OutputError(what, where=str(output.path), hint="choose another place")
    for one, other in itertools.permutations(written, 2):
        if _destroys(one, other.path):
            what = f"{one.option} and {other.option} cannot be written to the same place"
            raise OutputError(what, where=str(other.path))
    for output in written:
        if not (overwrite and output.path.is_file()) and not replaceable(output.kind, output.path):
            asked = "" if output.kind in {"model", "log"} else ", or add --overwrite"
            what = "the file exists already" if output.kind in {"scores", "archive"} else _else(output)
            raise OutputError(what, where=str(output.path), hint=f"choose another name{asked}")


def write_text(path: Path, text: str) -> None:
    """Write beside and rename.

    Raises:
        OutputError: it cannot be written.
    """
    from mlaas4hep.atomic.files import beside, replace

    with beside(path.absolute()) as partial:
        partial.write_text(text, encoding="utf-8")
        replace(partial, path.absolute())


def _else(output: Output) -> str:
    what = {"model": "a model of this command"}.get(output.kind, f"a {output.kind} file of this package")
    return f"it exists and is not {what}"


def files_of(workflow: Workflow) -> list[object]:
    """Return the data files, model file and specs that a workflow reads."""
    model = workflow.training.model if workflow.training else None
    return [workflow.specs, model, *(path for sample in workflow.samples for path in sample.files)]


def _there(value: object) -> Iterator[Path]:
    """All files and folders that a value names."""
    from mlaas4hep.config.places import home
    from mlaas4hep.streaming.remote.location import is_remote, local_path, split_tree

    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _there(part)
    elif isinstance(value, (str, Path)):
        text = str(value)
        for name in {text, *(text.split(",") if isinstance(value, str) else ())}:
            file = split_tree(name.strip())[0]
            if not file or is_remote(file):
                continue
            place = home(local_path(file))
            with suppress(OSError, ValueError):  # too long for a path
                if place.exists():
                    yield place
                elif isinstance(value, str):
                    yield from map(Path, glob(str(place), recursive=True))  # noqa: PTH207


def _destroys(output: Output, path: Path) -> bool:
    """Whether an output takes the place of a path, or of a folder above it."""
    from mlaas4hep.atomic.through import final

    place, other = final(output.path), final(path)
    if output.kind == "folder":
        return other.parent == place and (other.suffix == ".png" or other.name == "histograms.json")
    if place == other or (place.exists() and other.exists() and place.samefile(other)):
        return True
    return other.is_relative_to(place)


def _bundle_around(path: Path) -> Path | None:
    """The bundle that a path lies in."""
    from mlaas4hep.atomic.through import final
    from mlaas4hep.bundle.manifest import read_manifest
    from mlaas4hep.errors import BundleError

    for folder in final(path).parents:
        manifest = folder / "manifest.json"
        if manifest.is_file():
            try:
                read_manifest(manifest.read_bytes(), str(folder))
            except (BundleError, OSError):
                continue
            return folder
    return None
