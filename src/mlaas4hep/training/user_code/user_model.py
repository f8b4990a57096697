"""The user's model file: load it, call its ``model``, and turn whatever goes wrong there into one clear line."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import inspect
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

from mlaas4hep.atomic.files import output_error
from mlaas4hep.errors import FrameworkMissingError, MLaaS4HEPError, ModelFileError
from mlaas4hep.extras import extra_of, install_hint
from mlaas4hep.frameworks.user_code.original import original_layers
from mlaas4hep.training.user_code.model_source import MODEL_WANTED, frameworks_wanted

__all__ = ["build_model", "load_model_file", "sources_of", "user_errors"]

_WIDTH_NAMES = {"idim", "dim", "input_dim", "ndim", "width", "n_features", "nfeatures", "n_inputs", "ninputs"}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_local_modules: set[str] = set()


def load_model_file(path: Path, *, warn: Callable[[str], None] | None = None) -> ModuleType:
    """Run the user's file and return its namespace.

    While it runs, its folder is importable, and if it uses Keras the old names of Keras 2 are accepted. The environment
    variable KERAS_BACKEND, if unset, becomes ``torch`` where TensorFlow is not installed and torch is.

    Args:
        path: the Python file.
        warn: called with a sentence for each old name found; default: a Python warning.

    Raises:
        ModelFileError: no such file, a syntax error, an exception (with its line), or no function ``model``.
        FrameworkMissingError: it imports a framework that is not installed.
    """
    path = Path(path)
    wanted = frameworks_wanted(path)
    if "keras" in wanted:
        _choose_keras_backend()
    name = f"mlaas4hep_model_{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelFileError("not a Python file", where=str(path), hint="its name must end in .py")
    for stale in _local_modules:
        sys.modules.pop(stale, None)
    _local_modules.clear()
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with user_errors(path, "cannot be imported"), _importable(path.parent), _adapter(wanted, path, warn):
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    if not callable(getattr(module, "model", None)):
        raise ModelFileError("no function model", where=str(path), hint=MODEL_WANTED)
    return module


def sources_of(path: Path) -> list[str]:
    """Return the text of the model file, and of the modules of its folder that it has imported since it was loaded."""
    files = {getattr(sys.modules.get(name), "__file__", None) for name in _local_modules}
    places = [path, *map(Path, sorted(file for file in files if file))]
    return [place.read_text(encoding="utf-8", errors="surrogateescape") for place in places if place.is_file()]


def build_model(module: ModuleType, width: int, *, warn: Callable[[str], None] | None = None) -> object:
    """Call the file's ``model``, with the number of input columns if it takes them.

    The width is passed to a parameter without a default, and to one with a default if its name says that it is the
    input dimension (``idim``, ``input_dim``, ``n_features``, ...).

    Args:
        module: from `load_model_file`.
        width: number of columns the model sees.
        warn: as for `load_model_file`.

    Raises:
        ModelFileError: it takes other parameters, raises, or returns nothing.
    """
    function = module.model
    path = Path(str(module.__file__))
    arguments = _arguments(function, width, path)
    with user_errors(path, "model() failed"), _importable(path.parent), _adapter(frameworks_wanted(path), path, warn):
        model: object = function(*arguments)
    if model is None:
        raise ModelFileError("model() returned nothing", where=str(path), hint="end it with: return the model")
    return model


@contextmanager
def user_errors(path: Path | str, doing: str) -> Iterator[None]:
    """Turn exceptions of the user's code into errors that name the file and line.

    Args:
        path: the user's model file.
        doing: what failed, e.g. ``model() failed``.
    """
    try:
        yield
    except MLaaS4HEPError:
        raise
    except ModuleNotFoundError as error:
        top = (error.name or "").partition(".")[0]
        extra = extra_of(top)
        if extra and importlib.util.find_spec(top) is None:
            raise FrameworkMissingError(
                f"{top} is not installed",
                where=_place(path, error),
                hint=f"install it with: {install_hint(extra)}",
            ) from error
        raise ModelFileError(f"{doing}: {error}", where=_place(path, error)) from error
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise output_error(error, error.filename or tempfile.gettempdir()) from error
        raise _told(path, doing, error) from error
    except (Exception, SystemExit) as error:
        raise _told(path, doing, error) from error


def _told(path: Path | str, doing: str, error: BaseException) -> ModelFileError:
    text = str(error).strip().partition("\n")[0]
    return ModelFileError(f"{doing}: {type(error).__name__}: {text}", where=_place(path, error))


def _place(path: Path | str, error: BaseException) -> str:
    """The file and the last line of it (or of its folder) in the traceback."""
    folder = Path(path).resolve().parent
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).resolve().parent == folder:
        return f"{error.filename}, line {error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).resolve().parent == folder:
            return f"{frame.filename}, line {frame.lineno}"
    return str(path)


def _choose_keras_backend() -> None:
    if "KERAS_BACKEND" in os.environ or "keras" in sys.modules:
        return
    if importlib.util.find_spec("tensorflow") is None and importlib.util.find_spec("torch") is not None:
        os.environ["KERAS_BACKEND"] = "torch"


def _arguments(function: Callable[..., object], width: int, path: Path) -> tuple[int, ...]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(required) > 1 or any(p.kind is p.KEYWORD_ONLY for p in required):
        names = ", ".join(p.name for p in required)
        raise ModelFileError(f"model takes {len(required)} arguments ({names})", where=str(path), hint=MODEL_WANTED)
    first = next(iter(parameters), None)
    named = first is not None and first.kind is not first.KEYWORD_ONLY and first.name.lower() in _WIDTH_NAMES
    return (width,) if required or named else ()


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Put a folder on the path, and remember which of its modules were imported meanwhile."""
    text = str(folder.resolve())
    before = set(sys.modules)
    bytecode = sys.dont_write_bytecode
    sys.path.insert(0, text)
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = bytecode
        if text in sys.path:
            sys.path.remove(text)
        for name in set(sys.modules) - before:
            top = sys.modules.get(name.partition(".")[0])
            places = [*getattr(top, "__path__", ()), getattr(top, "__file__", None)]  # of a package its folder is first
            if places[0] and Path(places[0]).parent == Path(text):
                _local_modules.add(name)


@contextmanager
def _adapter(wanted: Collection[str], path: Path, warn: Callable[[str], None] | None) -> Iterator[None]:
    """Old names of the frameworks that the file uses, and the original's layer, for as long as its code runs."""

    def default(text: str) -> None:
        warnings.warn(f"{path}: {text}", UserWarning, stacklevel=2)

    with ExitStack() as stack:
        stack.enter_context(original_layers())
        if "keras" in wanted and importlib.util.find_spec("keras") is not None:
            from mlaas4hep.training.user_code.old_keras import old_keras_names  # imports Keras

            stack.enter_context(old_keras_names(warn or default))
        if "sklearn." in path.read_text(errors="replace"):
            from mlaas4hep.training.user_code.old_sklearn import old_sklearn_names  # imports scikit-learn

            stack.enter_context(old_sklearn_names(path, warn or default))
        yield
