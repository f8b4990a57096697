"""What a ``.pt2`` file may hold.

torch's loader unpickles, parses expressions by running them and looks up any function of torch by name, so everything
it would do that with is checked before.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mlaas4hep.inference.failures import ModelRefusedError

__all__ = ["vet"]

LIMIT: Final = 256 * 2**20
NAME: Final = re.compile(r"[A-Za-z_][\w.]*")
TARGET: Final = re.compile(
    r"torch\.ops\.(aten|prims)\.\w+(\.\w+)?|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|neg|pos|abs|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)"
    r"|math\.(ceil|floor|trunc)|torch\.sym_\w+"
)
WORDS: Final = re.compile(r"[A-Za-z_]\w*")
EXPRESSION: Final = re.compile(r"[\w\s'+\-*/(),=<>]*")
KNOWN: Final = {
    "Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Mod", "PythonMod", "FloorDiv", "CeilDiv",
    "CleanDiv", "ModularIndexing", "Max", "Min", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "ToFloat",
    "IntTrueDiv",
    "StrictLessThan", "LessThan", "GreaterThan", "StrictGreaterThan", "Equality", "Unequality", "True", "False",
    "positive", "integer", "nonnegative", "real", "finite", "precision", "prec",
}  # fmt: skip
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
                    raise _refused(path, "a description of absurd size")
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
        if key == "guards_code" and value:
            raise _refused(path, "guards in Python")
        if key in {"custom_obj_values", "constants"} and value:
            raise _refused(path, "custom objects")
        if key == "target" and isinstance(value, str) and not TARGET.fullmatch(value):
            raise _refused(path, f"the operation {value[:80]}")
        if key in {"name", "parameter_name", "buffer_name"} and value and not NAME.fullmatch(str(value)):
            raise _refused(path, f"the name {str(value)[:80]!r}")
        if key == "forward_arg_names" and not all(NAME.fullmatch(str(item)) for item in value or ()):
            raise _refused(path, "a name that is none")
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


def _refused(path: Path, thing: str) -> ModelRefusedError:
    what = f"the torch.export file holds {thing}, which could run code"
    return ModelRefusedError(what, where=path.name, hint="export the model to ONNX")
