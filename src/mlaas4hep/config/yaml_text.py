"""YAML as users expect it: the plain words of YAML 1.2, no key twice, errors with line and column.

In YAML 1.1, which PyYAML implements, ``no`` and ``on`` are booleans, ``1:30`` is 90, ``010`` is 8, ``2024-01-01`` is a
date, and ``1e-3`` is a string. Here they are strings, except the last, which is a number.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from mlaas4hep.errors import ConfigError

__all__ = ["dump_yaml", "load_yaml"]

_FLOAT = re.compile(
    r"""[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$
    |[-+]?[0-9]+[eE][-+]?[0-9]+$
    |[-+]?\.(?:inf|Inf|INF)$
    |\.(?:nan|NaN|NAN)$""",
    re.VERBOSE,
)


_MOST = 1_000_000
"""Values in one file; a workflow with the names of all files of an experiment has fewer."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own name

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key should be a single word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Quotes also those strings that `_Loader` takes for numbers, and writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # Unquoted, the line breaks of Unicode would be read as plain ones.
        style = '"' if any(sign in data for sign in "\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<$"), ["<"])
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def load_yaml(text: str, file: str) -> Any:
    """Return the data in a YAML text: mappings, lists, strings, numbers, booleans and null only.

    Args:
        text: the text.
        file: its name, for messages.

    Raises:
        ConfigError: syntax error, duplicate key, or a tag for anything else than plain data; with line and column.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > _MOST:
            raise ConfigError(f"its aliases stand for more than {_MOST:,} values", where=file)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise ConfigError(f"not valid YAML: {error.problem or error.context}", where=where) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
        raise ConfigError(f"not valid YAML: {error.reason}", where=f"{file}:{line}:{column}") from error
    except RecursionError:
        raise ConfigError("is nested too deeply", where=file) from None


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values that a node stands for with its aliases written out; more than `_MOST` if it holds itself."""
    if id(node) not in known:
        known[id(node)] = _MOST + 1  # while it is looked at: what holds itself has no end
        size = 1
        if isinstance(node, yaml.SequenceNode):
            size += sum(_size(item, known) for item in node.value)
        elif isinstance(node, yaml.MappingNode):
            size += sum(_size(key, known) + _size(value, known) for key, value in node.value)
        known[id(node)] = size
    return known[id(node)]


def dump_yaml(data: Any) -> str:
    """Plain data as YAML in block style, keys in the order given; `load_yaml` gives the same data back."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return text
