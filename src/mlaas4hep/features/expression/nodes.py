"""What a parsed expression consists of: a small tree of our own, nothing of Python's.

Every node knows where it stands in the text (`start` to `end`, 0-based columns), so that an error can point at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "Call",
    "Chain",
    "Compare",
    "Constant",
    "Index",
    "Kind",
    "Logic",
    "Mask",
    "Name",
    "Node",
    "Not",
    "Place",
    "Reduce",
    "Unary",
    "children",
    "is_condition",
    "walk",
]

Kind: TypeAlias = Literal["flat", "jagged"]


@dataclass(frozen=True, slots=True)
class Place:
    """Columns of the text that a node was read from; `end` is exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Constant(Place):
    """A literal number, ``True``, ``False`` or a named constant; `name` is set for the latter, e.g. ``pi``."""

    value: float | int | bool
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Name(Place):
    """A branch or variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary(Place):
    """``-x`` or ``+x``."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Chain(Place):
    """Arithmetic from left to right, ``((a + b) - c) / d``; the operators are ``+ - * / // % **``.

    Operands are one more than operators. ``parts[i]`` is the text of what stands left of ``operators[i]``.
    """

    operands: tuple[Node, ...]
    operators: tuple[str, ...]
    parts: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Compare(Place):
    """One or more comparisons in a chain, ``operands[i] operators[i] operands[i + 1]``, all of which must hold."""

    operands: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not(Place):
    """``not x``, ``~x`` or ``!x``."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Logic(Place):
    """Logical ``and`` / ``or`` (also written ``&``, ``&&``, ``|``, ``||``) of two or more operands."""

    operator: Literal["and", "or"]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Call(Place):
    """A function applied element by element."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Reduce(Place):
    """A function that makes one number of each event's list."""

    function: str
    argument: Node


@dataclass(frozen=True, slots=True)
class Index(Place):
    """The element at `index` of each event's list, `fill` where the list is too short."""

    operand: Node
    index: int
    fill: float


@dataclass(frozen=True, slots=True)
class Mask(Place):
    """The elements of each event's list for which `mask` is true."""

    operand: Node
    mask: Node


Node: TypeAlias = Constant | Name | Unary | Chain | Compare | Not | Logic | Call | Reduce | Index | Mask


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below, in the order of the text."""
    match node:
        case Constant() | Name():
            return ()
        case Unary(operand=operand) | Not(operand=operand) | Index(operand=operand):
            return (operand,)
        case Chain(operands=operands) | Compare(operands=operands) | Logic(operands=operands):
            return operands
        case Call(arguments=arguments):
            return arguments
        case Reduce(argument=argument):
            return (argument,)
        case Mask(operand=operand, mask=mask):
            return (operand, mask)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all below it, in the order of the text."""
    yield node
    for child in children(node):
        yield from walk(child)


def is_condition(node: Node) -> bool:
    """Return true if the node can be asked whether it is true.

    These are comparisons, logic, and names, functions and elements (non-zero and not NaN is true, as in C). Literal
    numbers and the results of arithmetic are not: there a comparison was forgotten.
    """
    if isinstance(node, Constant):
        return isinstance(node.value, bool)
    return not isinstance(node, Unary | Chain)
