"""Changes to the repository's folder. Every method blocks; each change is one rename under the repository's lock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlaas4hep.atomic.files import flush_folder, remove
from mlaas4hep.atomic.owners import clean, work_name
from mlaas4hep.errors.serving import ModelConflictError, ModelNotFoundError, ServingError, TooLargeError
from mlaas4hep.inference.repository.disk import disk_errors, flush_tree, link_tree, locked, read_object, write_object
from mlaas4hep.inference.repository.folders import BESIDE, has_bare, numbers, version_folder
from mlaas4hep.inference.repository.model_json import ModelSettings, read_settings, write_settings
from mlaas4hep.inference.repository.names import is_model, model_name, number_of

__all__ = ["Store"]

DEFAULTS = "server.json"


class Store:
    """The folder of models, shared with other processes.

    Args:
        root: is made if need be.
        models: how many models there may be.
    """

    def __init__(self, root: Path, *, models: int = 1_000) -> None:
        self.root = root
        self._models = models

    @disk_errors()
    def open(self) -> list[str]:
        """Make the folder and remove what dead processes left; return the names removed.

        Raises:
            ServingError: the folder cannot be made or written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        removed = clean(self.root)
        for name in self.names():
            removed += clean(self.root / name)
        with locked(self.root):
            return removed

    def names(self) -> list[str]:
        """Return the names of the folders that can be models."""
        try:
            return sorted(path.name for path in self.root.iterdir() if is_model(path.name) and path.is_dir())
        except FileNotFoundError:
            return []

    @disk_errors()
    def stage(self) -> Path:
        """Make a hidden folder for what is to become a version; the caller publishes or removes it."""
        folder = self.root / work_name()
        folder.mkdir()
        return folder

    def check_room(self, name: str, version: int | None = None) -> None:
        """Check that a version may be added, before work is spent on it.

        Raises:
            TooLargeError: there are too many models.
            ModelConflictError: there is such a version.
        """
        model = self.root / model_name(name)
        if not model.exists() and len(self.names()) >= self._models:
            raise TooLargeError(f"the repository holds {self._models} models already", hint="delete one")
        if model.exists() and not model.is_dir():
            raise ModelConflictError(f"{name} is a file of the repository, not a model")
        if version is not None and version_folder(model, version) is not None:
            raise ModelConflictError(f"model {name} has a version {version} already", hint="leave out the version")

    @disk_errors()
    def publish(self, folder: Path, name: str, version: int | None = None) -> int:
        """Make a staged folder a version; return its number.

        Args:
            folder: complete, from `stage` or below one.
            name: the model; is made if there is none.
            version: default: one more than the highest there is or was; only with the whole model it is forgotten.

        Raises:
            ModelConflictError: there is such a version, or the repository is being changed.
            TooLargeError: there are too many models.
        """
        model = self.root / model_name(name)
        flush_tree(folder)
        with locked(self.root):
            self.check_room(name, version)
            self._adopt(model)
            number = version or max([*numbers(model), self._deleted(model)]) + 1
            while not self._placed(folder, model, number):
                if version is not None:
                    raise ModelConflictError(f"model {name} has a version {version} already")
                number += 1
            flush_folder(model)
            flush_folder(self.root)
        return number

    @disk_errors()
    def delete(self, name: str, version: str = "") -> None:
        """Remove a version, or the whole model; with its last version a model goes.

        Raises:
            ModelNotFoundError: there is none.
        """
        model = self.root / model_name(name)
        aside = self.root / work_name()
        with locked(self.root):
            if not model.is_dir():
                raise ModelNotFoundError(f"there is no model {name}")
            folder = model
            if version:
                found = version_folder(model, number_of(version))
                if found is None:
                    raise ModelNotFoundError(f"model {name} has no version {version}")
                folder = found if len(numbers(model)) > 1 else model
            if folder is not model:
                self._forget(model, version)
            folder.rename(aside)
            flush_folder(folder.parent)
        remove(aside)

    @disk_errors()
    def change(self, name: str, change: Callable[[ModelSettings], ModelSettings]) -> ModelSettings:
        """Change a model's settings; return what they are then.

        Raises:
            ModelNotFoundError: there is no such model.
            ServingError: what `change` raises; ``model.json`` is damaged.
        """
        model = self.root / model_name(name)
        with locked(self.root):
            if not model.is_dir():
                raise ModelNotFoundError(f"there is no model {name}")
            self._adopt(model)
            try:
                before = read_settings(model)
            except ValueError as error:
                raise ServingError(f"model.json of {name} is damaged", hint="repair or remove it") from error
            after = change(before)
            if after != before:
                write_settings(model, after)
        return after

    def default_model(self) -> str | None:
        """Return the model set by `set_default_model`."""
        try:
            name = read_object(self.root / DEFAULTS).get("default_model")
        except (OSError, ValueError):
            return None
        return name if isinstance(name, str) else None

    @disk_errors()
    def set_default_model(self, name: str) -> None:
        """Set the model of requests that name none, for all servers of the repository."""
        with locked(self.root):
            write_object(self.root / DEFAULTS, {"default_model": name})

    def _placed(self, folder: Path, model: Path, number: int) -> bool:
        """Rename to the version's folder; return False if there is one. A rename never replaces a folder with files."""
        target = model / str(number)
        source, aside = folder, self.root / work_name()
        try:
            if not model.exists():  # the model and its first version come by one rename
                aside.mkdir()
                source = folder.rename(aside / str(number)).parent
                flush_folder(source)
                target = model
            elif target.exists():
                return False
            source.rename(target)
        except OSError:
            if not target.exists():
                raise
            if source is not folder:
                (source / str(number)).rename(folder)
            return False
        finally:
            remove(aside)
        return True

    def _adopt(self, model: Path) -> None:
        """Give a model that was put there without a version the number 1, by a second set of names; never half."""
        if not model.is_dir() or not has_bare(model):
            return
        aside = self.root / work_name()
        try:
            link_tree(model, aside, BESIDE)
            flush_tree(aside)
            aside.rename(model / "1")
            flush_folder(model)
        finally:
            remove(aside)
        for entry in model.iterdir():
            if entry.name not in BESIDE and entry.name != "1":
                remove(entry)

    @staticmethod
    def _deleted(model: Path) -> int:
        try:
            return read_settings(model).highest
        except ValueError:
            return 0

    def _forget(self, model: Path, version: str) -> None:
        try:
            before = read_settings(model)
        except ValueError:
            return
        after = before.without(version)
        if after != before:
            write_settings(model, after)
