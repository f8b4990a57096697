"""From a tree and columns to a column: plain numpy on the values, whatever lists they belong to.

Arithmetic is done in float64 whatever the branch's type, so that integers neither wrap around nor lose their sign.
Comparisons of integers are exact. Division by zero and the like give NaN or infinity without a warning, as ROOT does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import BranchNotFoundError, ExpressionError
from mlaas4hep.features.columns import Column, Columns, Jagged, length_of
from mlaas4hep.features.expression.functions import FUNCTIONS, REDUCERS, truth
from mlaas4hep.features.expression.kinds import not_a_list
from mlaas4hep.features.expression.nodes import (
    Call,
    Chain,
    Compare,
    Constant,
    Index,
    Logic,
    Mask,
    Name,
    Node,
    Not,
    Place,
    Reduce,
    Unary,
)
from mlaas4hep.features.expression.operators import ARITHMETIC, COMPARISON, all_of, any_of, float64

__all__ = ["LengthMismatchError", "evaluate"]

Value: TypeAlias = "float | int | bool | NDArray[Any] | Jagged"


class LengthMismatchError(ExpressionError):
    """Two lists that are combined element by element differ in length in some event.

    Attributes:
        event: index of the first such event, relative to the columns that were given.
        operands: the two parts of the expression.
        counts: the lengths of their lists in that event.
    """

    def __init__(
        self, text: str, operands: tuple[str, str], counts: tuple[int, int], event: int, first: int | None = None
    ) -> None:
        self.event = event
        self.operands = operands
        self.counts = counts
        number = f"event {event} of the chunk" if first is None else f"entry {first + event}"
        super().__init__(
            f"{operands[0]} has {counts[0]} values and {operands[1]} has {counts[1]} in {number}",
            text=text,
            hint="only lists of the same lengths can be combined element by element",
        )

    def shifted(self, first: int) -> LengthMismatchError:
        """Return the same error for columns that begin at entry `first` of a file."""
        return LengthMismatchError(self.text, self.operands, self.counts, self.event, first)


def evaluate(root: Node, text: str, names: Sequence[str], columns: Columns, events: int | None = None) -> Column:
    """Compute an expression.

    Args:
        root: the tree.
        text: what it was parsed from, for errors.
        names: the branches it needs.
        columns: at least these branches; flat [events] or jagged, all with the same number of events.
        events: number of events if no branch is needed; default that of the columns.

    Returns:
        A flat array [events] or `Jagged`; float64 or bool, but a branch alone or masked keeps its type.

    Raises:
        BranchNotFoundError: a branch is not among the columns.
        LengthMismatchError: lists of different lengths are combined.
        ExpressionError: a flat branch where a list is needed; columns of different numbers of events.
    """
    size = _size(text, names, columns)
    if size is None:
        size = length_of(columns) if events is None else events
    with np.errstate(all="ignore"):
        value = _Evaluation(columns, text).value(root)
    return value if isinstance(value, np.ndarray | Jagged) else np.full(size, value)


def _size(text: str, names: Sequence[str], columns: Columns) -> int | None:
    size = None
    for name in names:
        if name not in columns:
            raise BranchNotFoundError(f"branch {name} is missing", where=f"expression {text!r}")
        found = len(columns[name])
        if size is not None and found != size:
            raise ExpressionError(f"{name} has {found} events, {names[0]} has {size}", text=text)
        size = found
    return size


class _Evaluation:
    """One evaluation: walks the tree, with the columns at hand."""

    def __init__(self, columns: Columns, text: str) -> None:
        self._columns = columns
        self._text = text

    def value(self, node: Node) -> Value:
        """Return the value of a node in the type it has."""
        return _VALUE[type(node)](self, node)

    def number(self, node: Node) -> Value:
        """Return the value of a node in float64."""
        value = self.value(node)
        if isinstance(value, Jagged):
            return Jagged(value.offsets, float64(value.content))
        if isinstance(value, np.ndarray):
            return float64(value)
        return float(value)

    def condition(self, node: Node) -> Value:
        """Return the value of a node as bool."""
        value = self.value(node)
        return Jagged(value.offsets, truth(value.content)) if isinstance(value, Jagged) else truth(value)

    def _name(self, node: Name) -> Value:
        column = self._columns[node.name]
        return column.packed() if isinstance(column, Jagged) else column

    def _constant(self, node: Constant) -> Value:
        return node.value

    def _chain(self, node: Chain) -> Value:
        value = self.number(node.operands[0])
        for part, operator, operand in zip(node.parts, node.operators, node.operands[1:], strict=True):
            value = self._elementwise(ARITHMETIC[operator], (part, operand), (value, self.number(operand)))
        return value

    def _unary(self, node: Unary) -> Value:
        function = np.negative if node.operator == "-" else np.positive
        return self._elementwise(function, (node.operand,), (self.number(node.operand),))

    def _not(self, node: Not) -> Value:
        return self._elementwise(np.logical_not, (node.operand,), (self.condition(node.operand),))

    def _call(self, node: Call) -> Value:
        entry = FUNCTIONS[node.function]
        values = [
            self.condition(argument) if index in entry.conditions else self.number(argument)
            for index, argument in enumerate(node.arguments)
        ]
        return self._elementwise(entry.apply, node.arguments, values)

    def _reduce(self, node: Reduce) -> Value:
        reducer = REDUCERS[node.function]
        value = self.condition(node.argument) if reducer.condition else self.number(node.argument)
        return reducer.apply(self._lists(node.argument, value, f"{node.function}(...)"))

    def _index(self, node: Index) -> Value:
        return _element(self._lists(node.operand, self.number(node.operand), "an index"), node.index, node.fill)

    def _elementwise(self, function: Callable[..., Any], nodes: Sequence[Place], values: Sequence[Value]) -> Value:
        """Apply a function of arrays, with flat values repeated for each element of the lists, if there are any."""
        lists: Jagged | None = None
        owner = nodes[0]
        for node, value in zip(nodes, values, strict=True):
            if isinstance(value, Jagged):
                if lists is None:
                    lists, owner = value, node
                else:
                    self._same_lengths(owner, lists, node, value)
        if lists is None:
            result = function(*values)
            return result[()] if isinstance(result, np.ndarray) and result.ndim == 0 else result
        counts: NDArray[np.int64] | None = None
        arguments: list[Any] = []
        for value in values:
            if isinstance(value, Jagged):
                arguments.append(value.content)
            elif isinstance(value, np.ndarray):
                counts = lists.counts if counts is None else counts
                arguments.append(np.repeat(value, counts))
            else:
                arguments.append(value)
        return Jagged(lists.offsets, function(*arguments))

    def _same_lengths(self, left: Place, first: Jagged, right: Place, second: Jagged) -> None:
        if first.offsets is second.offsets or np.array_equal(first.offsets, second.offsets):
            return
        counts = first.counts, second.counts
        event = int(np.flatnonzero(counts[0] != counts[1])[0])
        operands = self._text[left.start : left.end], self._text[right.start : right.end]
        raise LengthMismatchError(self._text, operands, (int(counts[0][event]), int(counts[1][event])), event)

    def _compare(self, node: Compare) -> Value:
        values = [self.value(operand) for operand in node.operands]
        links: list[Value] = []
        owners: list[Node] = []
        for index, symbol in enumerate(node.operators):
            pair, sides = node.operands[index : index + 2], values[index : index + 2]
            links.append(self._elementwise(COMPARISON[symbol], pair, sides))
            owners.append(pair[0] if isinstance(sides[0], Jagged) else pair[1])
        return links[0] if len(links) == 1 else self._elementwise(all_of, owners, links)

    def _logic(self, node: Logic) -> Value:
        values = [self.condition(operand) for operand in node.operands]
        return self._elementwise(all_of if node.operator == "and" else any_of, node.operands, values)

    def _masked(self, node: Mask) -> Jagged:
        operand, mask = node.operand, node.mask
        lists = self._lists(operand, self.value(operand), "an index")
        wanted = self._lists(mask, self.value(mask), "a mask")
        self._same_lengths(operand, lists, mask, wanted)
        keep = wanted.content
        if keep.dtype != np.bool_:
            if not np.isin(keep, (0, 1)).all():
                hint = "compare it, e.g. x[index > 0]"
                raise ExpressionError("a mask must be boolean", text=self._text, position=mask.start, hint=hint)
            keep = keep != 0
        kept = np.zeros(len(keep) + 1, dtype=np.int64)
        np.cumsum(keep, out=kept[1:])
        return Jagged(kept[lists.offsets], lists.content[keep])

    def _lists(self, node: Node, value: Value, needed_by: str) -> Jagged:
        if isinstance(value, Jagged):
            return value
        raise not_a_list(node, self._text, needed_by)


_VALUE: dict[type[Node], Callable[[_Evaluation, Any], Value]] = {
    Name: _Evaluation._name,
    Constant: _Evaluation._constant,
    Chain: _Evaluation._chain,
    Unary: _Evaluation._unary,
    Compare: _Evaluation._compare,
    Not: _Evaluation._not,
    Logic: _Evaluation._logic,
    Call: _Evaluation._call,
    Reduce: _Evaluation._reduce,
    Index: _Evaluation._index,
    Mask: _Evaluation._masked,
}


def _element(lists: Jagged, index: int, fill: float) -> NDArray[np.float64]:
    if len(lists) == 1:
        first, last = lists.offsets.tolist()
        place = first + index if index >= 0 else last + index
        return np.array([lists.content[place] if first <= place < last else fill], dtype=np.float64)
    result = np.full(len(lists), fill)
    found = np.flatnonzero(lists.counts > index if index >= 0 else lists.counts >= -index)
    if len(found):
        result[found] = lists.content[lists.offsets[found if index >= 0 else found + 1] + index]
    return result
