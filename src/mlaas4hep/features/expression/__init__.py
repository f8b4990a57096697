"""The expression language for cuts and new variables.

Expressions are parsed to a tree of allowed constructs and evaluated on columns; nothing is compiled or executed.

Example:
    >>> import numpy as np
    >>> from mlaas4hep.features.columns import Jagged
    >>> ht = parse("sum(Jet_pt[abs(Jet_eta) < 2.4])")
    >>> ht.names
    ('Jet_pt', 'Jet_eta')
    >>> ht.kind({"Jet_pt": "jagged", "Jet_eta": "jagged"})
    'flat'
    >>> ht.evaluate({
    ...     "Jet_pt": Jagged.from_lists([[50.0, 30.0], []]),
    ...     "Jet_eta": Jagged.from_lists([[1.0, 3.0], []]),
    ... })
    array([50.,  0.])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mlaas4hep.errors import ExpressionError
from mlaas4hep.features.columns import Column, Jagged
from mlaas4hep.features.expression.evaluate import LengthMismatchError, evaluate
from mlaas4hep.features.expression.functions import reference, truth
from mlaas4hep.features.expression.kinds import kind_of
from mlaas4hep.features.expression.nodes import Kind, Name, Node, is_condition, walk
from mlaas4hep.features.expression.parser import parse_tree, suggestion

__all__ = ["Expression", "Kind", "LengthMismatchError", "parse", "reference", "suggestion"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as the user wrote it.
        names: the branches it needs, in the order of appearance.
    """

    text: str
    names: tuple[str, ...]
    _root: Node = field(repr=False, compare=False)

    def kind(self, kinds: Mapping[str, str]) -> Kind:
        """Return whether it makes one value (``flat``) or a list (``jagged``) an event.

        Args:
            kinds: ``flat`` or ``jagged`` for every branch there is.

        Raises:
            ExpressionError: an unknown branch, or a flat value where a list is needed.
        """
        return kind_of(self._root, self.text, kinds)

    def check_condition(self) -> None:
        """Make sure that it can be asked whether it is true.

        Raises:
            ExpressionError: it is a literal number or arithmetic, so that a comparison was forgotten.
        """
        if not is_condition(self._root):
            raise ExpressionError(
                "this is a number, not a condition", text=self.text, position=self._root.start,
                hint="compare it with something",
            )  # fmt: skip

    def evaluate(self, columns: Mapping[str, Column], events: int | None = None) -> Column:
        """Compute it for every event.

        Args:
            columns: at least the branches in `names`, all with the same number of events. Others are ignored.
            events: number of events, for an expression without branches. Default: that of the columns.

        Returns:
            A flat array [events] or `Jagged`. float64 or bool; a branch alone, or with a mask, keeps its type.

        Raises:
            BranchNotFoundError: a branch is not among the columns.
            LengthMismatchError: lists of different lengths are combined; its `event` says where.
            ExpressionError: a flat column where a list is needed.
        """
        return evaluate(self._root, self.text, self.names, columns, events)

    def passes(self, columns: Mapping[str, Column], events: int | None = None) -> Column:
        """Compute it as a condition: bool, true where the value is neither 0 nor NaN. See `evaluate`."""
        value = self.evaluate(columns, events)
        return Jagged(value.offsets, truth(value.content)) if isinstance(value, Jagged) else np.asarray(truth(value))


def parse(text: str) -> Expression:
    """Parse an expression; see the reference for the language.

    Raises:
        ExpressionError: a syntax error or a construct that is not allowed; its `position` points at it.
    """
    root = parse_tree(text)
    names = dict.fromkeys(node.name for node in walk(root) if isinstance(node, Name))
    return Expression(text, tuple(names), root)
