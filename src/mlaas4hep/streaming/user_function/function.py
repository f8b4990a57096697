"""The user's file with the function ``preprocessing``: loaded and called; one clear line for whatever goes wrong."""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from mlaas4hep.errors import MLaaS4HEPError, PreprocessingError
from mlaas4hep.errors.text import first_line

__all__ = ["EventFunction", "load_function"]

_WANTED = "define preprocessing(events), which is given and returns an awkward array of events"


class EventFunction:
    """The function ``preprocessing`` of a user's file; one thread at a time calls it, as it may keep things of its own.

    Args:
        path: where the file was read from, for messages.
        source: its content.

    Attributes:
        sha256: of the content, as hexadecimal digits.
        patterns: names and patterns of the branches that it is to be given; None: all that hold numbers.
        vectorised: whether it takes all events of a range as one awkward array; else one event as a dictionary.

    Raises:
        PreprocessingError: a syntax error, an exception, no such function, or no list of names in ``branches``.
    """

    def __init__(self, path: str, source: bytes) -> None:
        self.path = path
        self.source = source
        self.sha256 = hashlib.sha256(source).hexdigest()
        module = self._module()
        function = getattr(module, "preprocessing", None)
        if not callable(function):
            raise PreprocessingError("no function preprocessing", where=path, hint=_WANTED)
        self._function: Callable[[Any], Any] = function
        self.patterns = _patterns(getattr(module, "branches", None), path)
        self.vectorised = _argument(self._function, path) == "events"
        self.known: dict[object, object] = {}
        self._lock = threading.Lock()

    def __call__(self, events: Any) -> Any:
        """Return what the function makes of some events, or of one.

        Raises:
            PreprocessingError: it raises; says in which line.
        """
        with self._lock:
            return self._guarded(lambda: self._function(events), "preprocessing failed")

    def __reduce__(self) -> tuple[Callable[..., EventFunction], tuple[Any, ...]]:
        return _again, (self.path, self.source)

    def _module(self) -> ModuleType:
        name = f"mlaas4hep_preprocessing_{self.sha256[:12]}"
        spec = importlib.util.spec_from_loader(name, _Given(self.path, self.source))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # where dataclasses and numba look for it
        loader = spec.loader
        self._guarded(lambda: loader.exec_module(module), "cannot be imported")
        return module

    def _guarded(self, step: Callable[[], Any], doing: str) -> Any:
        try:
            return step()
        except MLaaS4HEPError:
            raise
        except SyntaxError as error:
            where = f"{self.path}, line {error.lineno}"
            raise PreprocessingError(f"syntax error: {error.msg}", where=where) from error
        except (Exception, SystemExit) as error:
            hint = None
            if isinstance(error, ModuleNotFoundError):
                hint = "the file must hold all it needs but installed packages, for it is kept in the bundle"
            what = f"{doing}: {type(error).__name__}: {first_line(error)}"
            raise PreprocessingError(what, where=self._place(error), hint=hint) from error

    def _place(self, error: BaseException) -> str:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == self.path]
        return f"{self.path}, line {lines[-1]}" if lines else self.path


def load_function(path: Path | None) -> EventFunction | None:
    """Return the function of a file; None if there is none.

    Raises:
        PreprocessingError: the file cannot be read, or see `EventFunction`.
    """
    if path is None:
        return None
    try:
        source = path.read_bytes()
    except OSError as error:
        what = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise PreprocessingError(what, where=str(path), hint=_WANTED) from error
    return EventFunction(str(path), source)


class _Given(importlib.abc.SourceLoader):
    """Loads a module from bytes at hand, so that what runs is what has the checksum; nothing is written."""

    def __init__(self, path: str, source: bytes) -> None:
        self._path = path
        self._source = source

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        """Return the path that messages show."""
        return self._path

    def get_data(self, path: str | bytes) -> bytes:  # noqa: ARG002
        """Return the source."""
        return self._source


@lru_cache(maxsize=4)
def _again(path: str, source: bytes) -> EventFunction:
    """The function in another process, which loads it once."""
    return EventFunction(path, source)


def _patterns(found: object, path: str) -> tuple[str, ...] | None:
    if found is None:
        return None
    if isinstance(found, str) or not isinstance(found, Sequence) or not all(isinstance(name, str) for name in found):
        raise PreprocessingError(
            "branches is not a list of names", where=path, hint='e.g. branches = ["MET_pt", "Jet_*"]'
        )
    return tuple(found)


def _argument(function: Callable[..., Any], path: str) -> str:
    """Return the name of the one argument."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    if len(names) != 1:
        raise PreprocessingError(f"preprocessing takes {len(names)} arguments", where=path, hint=_WANTED)
    return names[0]
