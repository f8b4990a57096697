"""What the user's model file says, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from mlaas4hep.errors import ModelFileError
from mlaas4hep.frameworks.registry import frameworks

__all__ = ["MODEL_WANTED", "convolves", "frameworks_wanted"]

MODEL_WANTED = "define model() or model(idim) that returns the model"
"""What to do about a file that is not a model file."""


def frameworks_wanted(path: Path) -> set[str]:
    """Return names of the backends whose frameworks the file imports.

    Files of the same folder that it imports are looked into as well.

    Returns:
        Some of keras, torch, sklearn, xgboost.

    Raises:
        ModelFileError: no such file, or a syntax error.
    """
    tops = {name.partition(".")[0] for tree in _trees(path) for name in _imports(tree)}
    return {
        framework.name for framework in frameworks() if framework.backend and not tops.isdisjoint(framework.imports)
    }


def convolves(path: Path) -> bool:
    """True if anything in the file, or in those of its folder that it imports, is called by a name with ``Conv``.

    Raises:
        ModelFileError: as `frameworks_wanted`.
    """
    return any("conv" in name.lower() for tree in _trees(path) for name in _names(tree))


def _trees(path: Path) -> Iterator[ast.Module]:
    """The file and those of the same folder that it imports, parsed."""
    known = {name for framework in frameworks() for name in framework.imports}
    seen: set[Path] = set()
    todo = [Path(path)]
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        tree = _parsed(file)
        yield tree
        others = (file.parent / f"{name.partition('.')[0]}.py" for name in sorted(_imports(tree)))
        todo += [other for other in others if other.stem not in known and other.is_file()]


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes(), filename=str(file))
    except (FileNotFoundError, IsADirectoryError):
        raise ModelFileError("no such model file", where=str(file), hint=MODEL_WANTED) from None
    except OSError as error:
        raise ModelFileError(f"cannot be read: {error.strerror}", where=str(file)) from None
    except SyntaxError as error:
        raise ModelFileError(f"syntax error: {error.msg}", where=f"{file}, line {error.lineno}") from None
    except ValueError as error:
        raise ModelFileError(f"not a Python file: {error}", where=str(file)) from None


def _imports(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.name for alias in node.names)
    return names


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name
