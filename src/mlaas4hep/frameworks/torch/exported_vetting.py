"""What a ``.pt2`` file may hold.

torch's loader unpickles, parses expressions by running them and looks up any function of torch by name, so everything
it would do that with is checked before.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError

__all__ = ["vet"]

LIMIT: Final = 256 * 2**20
NAME: Final = re.compile(r"[A-Za-z_][\w.]*")
PATH: Final = re.compile(r"\w+(\.\w+)*")
"""Of a weight: the members of a ``Sequential`` are called by numbers, ``0.weight``."""
TARGET: Final = re.compile(
    r"torch\.ops\.(aten|prims)\.\w+(\.\w+)?|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|neg|pos|abs|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)"
    r"|math\.(ceil|floor|trunc)|torch\.sym_\w+"
    r"|torch\.ops\.higher_order\.(cond|while_loop|map_impl|scan|associative_scan|wrap_with_(set_grad_enabled|autocast))"
)
"""Operations of torch's own on tensors and sizes, and its control flow, whose inner graphs are checked as well."""
WORDS: Final = re.compile(r"[A-Za-z_]\w*")
EXPRESSION: Final = re.compile(r"[\w\s'+\-*/(),=<>]*")
KNOWN: Final = {
    "Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Mod", "PythonMod", "FloorDiv", "CeilDiv",
    "CleanDiv", "ModularIndexing", "Max", "Min", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "ToFloat",
    "IntTrueDiv",
    "StrictLessThan", "LessThan", "GreaterThan", "StrictGreaterThan", "Equality", "Unequality", "True", "False",
    "positive", "integer", "nonnegative", "real", "finite", "precision", "prec",
}  # fmt: skip
GUARD_NODES: Final = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.Compare, ast.Eq,
    ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.FloorDiv,
    ast.Mod, ast.Subscript, ast.Load,
)  # fmt: skip
GUARD_METHODS: Final = {"size", "stride", "storage_offset", "dim", "numel", "is_contiguous"}
GUARD_MATH: Final = {"floor", "ceil", "trunc"}
GUARD_FUNCTIONS: Final = {"min", "max", "abs"}
GUARD_LENGTH: Final = 10_000
NUMBER: Final = re.compile(r"'-?\d+(\.\d+)?(e[-+]?\d+)?'")
SYMBOL: Final = re.compile(r"[szu]{1,2}f?\d+")
MEMBERS: Final = re.compile(
    r"models/model\.json|archive_format|archive_version|byteorder|version|\.data/\w+|extra/.*"
    r"|data/(weights|constants)/((weight|tensor)_\d+|model_(weights|constants)_config\.json)|data/sample_inputs/model\.pt"
)


def vet(path: Path) -> None:
    """Check a file.

    Raises:
        ModelRefusedError: it holds something that could run code when it is loaded.
    """
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any("serialized_exported_program" in name for name in names):
            what = "an old format of torch.export, which is not loaded"
            raise ModelRefusedError(what, where=path.name, hint="export it again with torch 2.8 or later")
        top = names[0].partition("/")[0]
        for name in names:
            if not MEMBERS.fullmatch(name.removeprefix(f"{top}/")):
                raise _refused(path, f"the member {name}")
            if name.endswith(".json"):
                if archive.getinfo(name).file_size > LIMIT:
                    raise _refused(path, "a description that is too large")
                _vet_json(path, name, json.loads(archive.read(name)))
        sample = f"{top}/data/sample_inputs/model.pt"
        if sample in names:
            _vet_pickle(path, archive.read(sample))


def _vet_json(path: Path, name: str, content: Any) -> None:
    for key, value in _items(content):
        if key == "use_pickle" and value is not False:
            raise _refused(path, "a pickle among its weights")
        if key == "path_name" and not re.fullmatch(r"(weight|tensor)_\d+", str(value)):
            raise _refused(path, f"the object {value}")
        if key == "guards_code":
            for text in value or ():
                _vet_guard(path, str(text))
        if key in {"custom_obj_values", "constants"} and value:
            raise _refused(path, "custom objects")
        if key == "target" and isinstance(value, str) and not TARGET.fullmatch(value):
            raise _refused(path, f"the operation {value[:80]}", "is not one of torch's own on tensors")
        pattern = {"name": NAME, "parameter_name": PATH, "buffer_name": PATH}.get(key)
        if pattern and value and not pattern.fullmatch(str(value)):
            raise _refused(path, f"the name {str(value)[:80]!r}")
        if key == "forward_arg_names" and not all(NAME.fullmatch(str(item)) for item in value or ()):
            raise _refused(path, "something other than a name")
        if key == "expr_str" or (key == "range_constraints" and isinstance(value, dict)):
            for text in [value] if isinstance(value, str) else value or ():
                _vet_expression(path, str(text))
        if key in {"in_spec", "out_spec"} and isinstance(value, str):
            _vet_structure(path, value)
    if not isinstance(content, dict):
        raise _refused(path, f"no object in {name}")


def _vet_expression(path: Path, text: str) -> None:
    text = NUMBER.sub("0", text)
    words = WORDS.findall(text)
    if not EXPRESSION.fullmatch(text) or not all(word in KNOWN or SYMBOL.fullmatch(word) for word in words):
        raise _refused(path, f"the expression {text[:80]!r}")


def _vet_guard(path: Path, text: str) -> None:
    """A guard compares sizes of inputs: ``L['x'].size()[0] == L['y'].size()[0]``. torch runs it as Python."""
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval"))) if len(text) <= GUARD_LENGTH else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        nodes = []
    called = {id(node.func): node for node in nodes if isinstance(node, ast.Call) and not node.keywords}
    for node in nodes:
        if isinstance(node, ast.Attribute):  # L[...].size(), math.floor(...)
            of_math = isinstance(node.value, ast.Name) and node.value.id == "math"
            known = GUARD_MATH if of_math else GUARD_METHODS
            fine = id(node) in called and node.attr in known and (of_math or not called[id(node)].args)
        elif isinstance(node, ast.Call):
            fine = id(node.func) in called and isinstance(node.func, ast.Attribute | ast.Name)
        elif isinstance(node, ast.Name):
            fine = node.id in GUARD_FUNCTIONS if id(node) in called else node.id in {"L", "math"}
        elif isinstance(node, ast.Constant):
            fine = type(node.value) in {int, str, bool, float, type(None)}
        else:
            fine = isinstance(node, GUARD_NODES)
        if not fine:
            nodes = []
            break
    if not nodes:
        raise _refused(path, f"the guard {text[:80]!a}", "is more than a comparison of sizes")


def _vet_structure(path: Path, text: str) -> None:
    for key, value in _items(json.loads(text)):
        if key == "type" and value not in {None, "builtins.tuple", "builtins.list", "builtins.dict"}:
            raise _refused(path, f"the type {value}")


def _vet_pickle(path: Path, content: bytes) -> None:
    import torch

    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception as error:  # whatever is in there, it is more than tensors
        raise _refused(path, "sample inputs that are more than tensors") from error


def _items(node: Any) -> Iterator[tuple[str, Any]]:
    """All keys with their values, at any depth."""
    nodes = [node]
    while nodes:
        here = nodes.pop()
        if isinstance(here, dict):
            yield from here.items()
            nodes.extend(here.values())
        elif isinstance(here, list):
            nodes.extend(here)


def _refused(path: Path, thing: str, why: str = "could run code") -> ModelRefusedError:
    what = f"the torch.export file holds {thing}, which {why}"
    return ModelRefusedError(what, where=path.name, hint="export the model to ONNX")
