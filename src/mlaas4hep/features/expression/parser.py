"""From the text of an expression to its tree. Nothing is compiled or executed: what is not on a list is refused."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable
from itertools import pairwise
from typing import Literal

from mlaas4hep.errors import ExpressionError
from mlaas4hep.errors.text import nearest
from mlaas4hep.features.expression.functions import CONSTANTS, FUNCTIONS, REDUCERS
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
    is_condition,
)
from mlaas4hep.features.expression.scan import MAX_NESTING, Scanned, scan

__all__ = ["parse_tree", "suggestion"]

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip
_COMPARISON: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_OTHER_NAMES = {"ln": "log", "pow": "power", "fmod": "mod", "count": "len", "size": "len", "average": "mean"}
_SIGNS = "+-*/%<>=!&|~()[].,"
_MAX_INTEGER, _MIN_INTEGER = 2**64 - 1, -(2**63)


def parse_tree(text: str) -> Node:
    """Parse an expression.

    Args:
        text: the expression as the user wrote it.

    Returns:
        The root of the tree.

    Raises:
        ExpressionError: a syntax error or a construct that is not allowed, with its position.
    """
    scanned = scan(text)
    try:
        tree = ast.parse(scanned.source.rstrip(), mode="eval")
    except (RecursionError, MemoryError):
        words = scanned.source.split()
        operands = sum(w[0] not in _SIGNS and before not in "[." for before, w in pairwise(["(", *words]))
        if operands <= MAX_NESTING:
            raise _too_deep() from None
        what = f"the expression combines {operands} names and numbers, more than can be read at once"
        raise ExpressionError(what, hint="split it into several variables") from None
    except SyntaxError as error:
        start, end = scanned.token((error.offset or 1) - 1)
        raise ExpressionError(f"'{text[start:end]}' is unexpected", text=text, position=start) from None
    return _Converter(text, scanned).node(tree.body, 0)


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """``did you mean ...`` for a misspelt name, None if nothing is close."""
    near = nearest(name, known)
    return f"did you mean {near}?" if near else None


def _too_deep() -> ExpressionError:
    what = f"the expression is nested more than {MAX_NESTING} levels deep"
    return ExpressionError(what, hint="split it into several variables")


def _links(tree: ast.BinOp, operators: Container[type[ast.operator]]) -> tuple[ast.expr, list[ast.BinOp]]:
    """The leftmost operand of operations that stand one after another, and the operations from left to right."""
    links = [tree]
    while isinstance(left := links[-1].left, ast.BinOp) and type(left.op) in operators:
        links.append(left)
    return links[-1].left, links[::-1]


class _Converter:
    """Turns Python's tree into ours, node by node, from an allow-list."""

    def __init__(self, text: str, scanned: Scanned) -> None:
        self._text = text
        self._scanned = scanned

    def node(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_NESTING:
            raise _too_deep()
        below = depth + 1
        start, end = self._place(tree)
        match tree:
            case ast.Constant(value=bool() | int() | float() as value):
                return Constant(start, end, self._number(value))
            case ast.Name() | ast.Attribute():
                return self._name(tree)
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=inner):
                operand = self._condition(inner, below)
                return Not(start, end, operand)
            case ast.UnaryOp(op=operator, operand=inner):
                sign = "-" if isinstance(operator, ast.USub) else "+"
                return self._signed(start, end, sign, self.node(inner, below))
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr() as operator):
                word: Literal["and", "or"] = "and" if isinstance(operator, ast.BitAnd) else "or"
                first, links = _links(tree, {type(operator)})
                sides = [first, *(link.right for link in links)]
                return Logic(start, end, word, tuple(self._condition(side, below) for side in sides))
            case ast.BinOp(op=operator) if type(operator) in _ARITHMETIC:
                return self._chain(tree, below)
            case ast.BoolOp(op=operator, values=values):
                word = "and" if isinstance(operator, ast.And) else "or"
                return Logic(start, end, word, tuple(self._condition(value, below) for value in values))
            case ast.Compare():
                return self._compare(tree, below)
            case ast.Call():
                return self._call(tree, below)
            case ast.Subscript():
                return self._subscript(tree, below)
            case ast.Tuple(elts=[]):
                raise self._error(tree, "the parentheses are empty")
            case ast.Tuple():
                raise self._error(tree, "several values are not allowed here", "remove the comma")
            case ast.List():
                raise self._error(tree, "a list is not allowed")
            case ast.Starred():
                raise self._error(tree, "'*' before an argument is not allowed")
            case _:
                raise self._error(tree, f"{type(tree).__name__} is not allowed")

    def _place(self, tree: ast.expr) -> tuple[int, int]:
        end = tree.col_offset + 1 if tree.end_col_offset is None else tree.end_col_offset
        return self._scanned.start(tree.col_offset), self._scanned.end(end)

    def _error(self, tree: ast.expr, what: str, hint: str | None = None) -> ExpressionError:
        return ExpressionError(what, text=self._text, position=self._place(tree)[0], hint=hint)

    def _source(self, tree: ast.expr) -> str:
        start, end = self._place(tree)
        return self._text[start:end]

    @staticmethod
    def _number(value: float) -> float | int | bool:
        if isinstance(value, int) and not _MIN_INTEGER <= value <= _MAX_INTEGER:
            try:
                return float(value)
            except OverflowError:
                return float("inf")
        return value

    def _signed(self, start: int, end: int, sign: str, operand: Node) -> Node:
        if isinstance(operand, Constant) and operand.name is None and not isinstance(operand.value, bool):
            return Constant(start, end, self._number(-operand.value if sign == "-" else operand.value))
        return Unary(start, end, sign, operand)

    def _condition(self, tree: ast.expr, depth: int) -> Node:
        node = self.node(tree, depth)
        if not is_condition(node):
            raise self._error(tree, f"{self._source(tree)} is a number, not a condition", "compare it with something")
        return node

    def _words(self, tree: ast.expr) -> list[str] | None:
        """The parts of a dotted name, None if the tree is something else."""
        words: list[str] = []
        while isinstance(tree, ast.Attribute):
            words.append(tree.attr)
            tree = tree.value
        return [tree.id, *reversed(words)] if isinstance(tree, ast.Name) else None

    def _name(self, tree: ast.Name | ast.Attribute) -> Node:
        start, end = self._place(tree)
        words = self._words(tree)
        if words is None:
            raise self._error(tree, "'.' is allowed in names only")
        if len(words) == 1 and words[0] in self._scanned.quoted:
            return Name(start, end, self._scanned.quoted[words[0]])
        if any(word in self._scanned.quoted for word in words):
            raise self._error(tree, "backticks inside a dotted name", "put the whole name into one pair of backticks")
        if words[0] in ("np", "numpy") and len(words) > 1:
            name = ".".join(words[1:])
            if name not in CONSTANTS:
                raise self._error(tree, f"there is no constant {name}", f"there are {', '.join(CONSTANTS)}")
            return Constant(start, end, CONSTANTS[name])
        if words[0] in CONSTANTS and len(words) == 1:
            return Constant(start, end, CONSTANTS[words[0]], words[0])
        return Name(start, end, "_".join(words))

    def _chain(self, tree: ast.BinOp, depth: int) -> Node:
        first, links = _links(tree, _ARITHMETIC)
        operands = tuple(self.node(operand, depth) for operand in (first, *(link.right for link in links)))
        operators = tuple(_ARITHMETIC[type(link.op)] for link in links)
        parts = tuple(Place(*self._place(link.left)) for link in links)
        return Chain(*self._place(tree), operands, operators, parts)

    def _compare(self, tree: ast.Compare, depth: int) -> Node:
        operands = (tree.left, *tree.comparators)
        for operand in operands:
            self._check_precedence(operand)
        nodes = tuple(self.node(operand, depth) for operand in operands)
        return Compare(*self._place(tree), nodes, tuple(_COMPARISON[type(operator)] for operator in tree.ops))

    def _check_precedence(self, tree: ast.expr) -> None:
        """Refuse ``a > 1 & b < 2`` and ``!a > 1``, where Python's grammar does not do what was meant."""
        match tree:
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr() as operator, left=left):
                symbol = "&" if isinstance(operator, ast.BitAnd) else "|"
                offset = self._scanned.source.index(symbol, left.end_col_offset or 0)
            case ast.UnaryOp(op=ast.Invert()):
                offset = tree.col_offset
            case _:
                return
        before = self._scanned.source[: tree.col_offset].rstrip()
        after = self._scanned.source[tree.end_col_offset :].lstrip()
        if not (before.endswith("(") and after.startswith(")")):
            start, end = self._scanned.token(offset)
            raise ExpressionError(
                f"'{self._text[start:end]}' binds more tightly than the comparison beside it",
                text=self._text,
                position=start,
                hint="put parentheses around each comparison",
            )

    def _call(self, tree: ast.Call, depth: int) -> Node:
        start, end = self._place(tree)
        words = self._words(tree.func)
        if words is None or words[0] in self._scanned.quoted:
            raise self._error(tree, "only functions can be called", "is an operator missing before the parenthesis?")
        prefixed = words[0] in ("np", "numpy") and len(words) > 1
        name = ".".join(words[1:] if prefixed else words)
        entry = FUNCTIONS.get(name) or REDUCERS.get(name)
        if entry is None or (prefixed and not entry.numpy):
            raise self._error(tree, f"there is no function {'.'.join(words)}", self._function_hint(words))
        if tree.keywords:
            raise self._error(tree, f"keyword arguments are not allowed in {name}(...)")
        for argument in tree.args:
            if isinstance(argument, ast.Starred):
                raise self._error(argument, "'*' before an argument is not allowed")
        if name in REDUCERS:
            return self._reduce(tree, name, depth)
        expected = FUNCTIONS[name].arguments
        if len(tree.args) != len(expected):
            what = f"{name} takes {_count(len(expected))}, not {len(tree.args)}"
            raise self._error(tree, what, f"write {name}({', '.join(expected)})")
        conditions = FUNCTIONS[name].conditions
        arguments = tuple(
            self._condition(argument, depth) if index in conditions else self.node(argument, depth)
            for index, argument in enumerate(tree.args)
        )
        return Call(start, end, name, arguments)

    def _function_hint(self, words: list[str]) -> str | None:
        name = words[-1]
        if len(words) > 1 and name in REDUCERS and words[0] not in ("np", "numpy"):
            return f"write {name}({'_'.join(words[:-1])})"
        if name in _OTHER_NAMES:
            return f"did you mean {_OTHER_NAMES[name]}?"
        return suggestion(name, [*FUNCTIONS, *REDUCERS])

    def _reduce(self, tree: ast.Call, name: str, depth: int) -> Node:
        reducer = REDUCERS[name]
        if len(tree.args) != 1:
            hint = f"write {name}(x), where x has a list of values an event"
            if reducer.elementwise and len(tree.args) == 2:
                hint = f"write {reducer.elementwise}({', '.join(map(self._source, tree.args))})"
            raise self._error(tree, f"{name} takes 1 argument, not {len(tree.args)}", hint)
        argument = self._condition(tree.args[0], depth) if reducer.condition else self.node(tree.args[0], depth)
        return Reduce(*self._place(tree), name, argument)

    def _subscript(self, tree: ast.Subscript, depth: int) -> Node:
        start, end = self._place(tree)
        operand = self.node(tree.value, depth)
        match tree.slice:
            case ast.Tuple(elts=[index_tree, fill_tree]):
                fill = self.node(fill_tree, depth)
                if not isinstance(fill, Constant):
                    raise self._error(fill_tree, "the fill value is not a number", "write x[0, -1]")
                return Index(start, end, operand, self._index(index_tree, depth), float(fill.value))
            case ast.Tuple():
                raise self._error(tree.slice, "an index takes one number and one fill value", "write x[0] or x[0, -1]")
        inner = self.node(tree.slice, depth)
        if not is_condition(inner):
            return Index(start, end, operand, self._index(tree.slice, depth), float("nan"))
        return Mask(start, end, operand, inner)

    def _index(self, tree: ast.expr, depth: int) -> int:
        node = self.node(tree, depth)
        if isinstance(node, Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
            return node.value
        hint = "write x[0], x[-1] or x[0, fill]; or a condition, x[x > 0]"
        raise self._error(tree, "an index must be a literal integer", hint)


def _count(number: int) -> str:
    return "1 argument" if number == 1 else f"{number} arguments"
