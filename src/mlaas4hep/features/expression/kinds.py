"""The static check: whether an expression makes one value or a list an event, known before any data is read."""

from __future__ import annotations

from collections.abc import Mapping

from mlaas4hep.errors import ExpressionError
from mlaas4hep.features.expression.nodes import (
    Compare,
    Constant,
    Index,
    Kind,
    Logic,
    Mask,
    Name,
    Node,
    Reduce,
    children,
)
from mlaas4hep.features.expression.parser import suggestion

__all__ = ["kind_of", "not_a_list"]


def kind_of(node: Node, text: str, kinds: Mapping[str, str]) -> Kind:
    """Kind of what a node evaluates to.

    Args:
        node: the tree.
        text: what it was parsed from, for errors.
        kinds: ``flat`` or ``jagged`` for every branch; anything else counts as a branch that cannot be used.

    Raises:
        ExpressionError: an unknown or unusable branch, or a flat value where a list is needed.
    """
    match node:
        case Constant(name=str() as name) if name in kinds:
            raise ExpressionError(
                f"{name} is both a constant and a branch", text=text, position=node.start,
                hint=f"write np.{name} for the constant, `{name}` in backticks for the branch",
            )  # fmt: skip
        case Name(name=name):
            return _branch(node, text, kinds)
        case Reduce(function=function, argument=argument):
            if kind_of(argument, text, kinds) == "flat":
                raise not_a_list(argument, text, f"{function}(...)")
            return "flat"
        case Index(operand=operand):
            if kind_of(operand, text, kinds) == "flat":
                raise not_a_list(operand, text, "an index")
            return "flat"
        case Mask(operand=operand, mask=mask):
            for part, needed_by in ((operand, "an index"), (mask, "a mask")):
                if kind_of(part, text, kinds) == "flat":
                    raise not_a_list(part, text, needed_by)
            return "jagged"
        case _:
            below = [kind_of(child, text, kinds) for child in children(node)]
            return "jagged" if "jagged" in below else "flat"


def _branch(node: Name, text: str, kinds: Mapping[str, str]) -> Kind:
    kind = kinds.get(node.name)
    spelled = text[node.start : node.end]
    if spelled != node.name and spelled in kinds:
        raise ExpressionError(
            f"{spelled} stands for {node.name} in expressions, but there is also a branch {spelled}", text=text,
            position=node.start, hint=f"write `{spelled}` in backticks, or {node.name} if that is meant",
        )  # fmt: skip
    if kind == "flat":
        return "flat"
    if kind == "jagged":
        return "jagged"
    if kind is None:
        raise ExpressionError(
            f"there is no branch {node.name}", text=text, position=node.start, hint=suggestion(node.name, kinds)
        )
    raise ExpressionError(f"branch {node.name} does not hold numbers", text=text, position=node.start)


def not_a_list(node: Node, text: str, needed_by: str) -> ExpressionError:
    """Return the error for a flat value where `needed_by` needs a list of values an event."""
    name = f"branch {node.name}" if isinstance(node, Name) else text[node.start : node.end]
    hint = None
    if needed_by in ("any(...)", "all(...)") and isinstance(node, Compare | Logic | Name):
        hint = "leave it out, the condition is already one value an event"
    if needed_by == "a mask":
        hint = "an index must be a literal integer, a mask one condition for each element"
    return ExpressionError(
        f"{needed_by} needs a list of values an event, but {name} is flat", text=text, position=node.start, hint=hint
    )
