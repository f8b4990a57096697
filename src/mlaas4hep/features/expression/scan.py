"""The first pass over an expression: from what physicists write to Python syntax, with the way back to the columns.

``&&``, ``||`` and ``!x`` become ``and``, ``or`` and ``~x``; names in backticks become placeholders. Whatever has no
place in an expression is refused here, with its position, so that the parser sees names, numbers and operators only.
"""

from __future__ import annotations

import keyword
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from mlaas4hep.errors import ExpressionError

__all__ = ["MAX_LENGTH", "MAX_NESTING", "Scanned", "scan"]

MAX_LENGTH = 10_000
MAX_NESTING = 100

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<quoted>`[^`\n]+`)
      | (?P<operator>\*\*|//|&&|\|\||[<>=!]=|[-+*/%<>&|~!().,\[\]])
    """,
    re.VERBOSE,
)
_WORDS = frozenset({"and", "or", "not", "True", "False"})
_REWRITTEN = {"&&": " and ", "||": " or ", "!": "~"}
_PAIRS = {")": "(", "]": "["}
_FORBIDDEN = {
    "=<": ("'=<' is not an operator", "write <="),
    "=>": ("'=>' is not an operator", "write >="),
    "=": ("'=' is not allowed", "write == to compare; keyword arguments are not supported"),
    "^": ("'^' is not allowed", "write ** for a power"),
    '"': ("text in quotes is not allowed", "a branch with an unusual name goes into backticks"),
    "'": ("text in quotes is not allowed", "a branch with an unusual name goes into backticks"),
    "`": ("a name in backticks is empty or not closed", None),
    "#": ("a comment is not allowed", "remove what follows '#'"),
    ":": ("':' is not allowed", "there are no slices and no namespaces: x[0], x[x > 0], log(x)"),
    "?": ("'?' is not allowed", "write where(condition, x, y)"),
}  # fmt: skip
_KEYWORD_HINTS = {"if": "write where(condition, x, y)", "else": "write where(condition, x, y)"}


@dataclass(frozen=True, slots=True)
class Scanned:
    """An expression as Python source.

    Attributes:
        source: one line of ASCII.
        quoted: what each placeholder stands for.
        starts: offsets of the tokens in `source`, ascending.
        origins: where each token begins and ends in the user's text.
    """

    source: str
    quoted: dict[str, str]
    starts: tuple[int, ...]
    origins: tuple[tuple[int, int], ...]

    def token(self, offset: int) -> tuple[int, int]:
        """Return columns of the user's text (start, end) of the token that covers `offset` of the source."""
        return self.origins[max(bisect_right(self.starts, offset) - 1, 0)]

    def start(self, offset: int) -> int:
        """Column of the user's text at which the token begins that covers `offset` of the source."""
        return self.token(offset)[0]

    def end(self, offset: int) -> int:
        """Column of the user's text where the last token before `offset` of the source ends."""
        return self.token(offset - 1)[1]


def scan(text: str) -> Scanned:
    """Check the characters, words and brackets of an expression and translate it to Python.

    Args:
        text: the expression as the user wrote it; line breaks count as spaces.

    Raises:
        ExpressionError: empty or too long; a character, word or bracket that has no place here; an operator is missing.
    """
    if len(text) > MAX_LENGTH:
        what = f"the expression has {len(text)} characters, more than {MAX_LENGTH}"
        raise ExpressionError(what, hint="split it into several variables")
    source: list[str] = []
    quoted: dict[str, str] = {}
    starts: list[int] = []
    origins: list[tuple[int, int]] = []
    before = ""  # kind of the token before: an operand ends with it, or a literal, or neither
    length = 0
    for match in _tokens(text):
        token, group, position = match.group(), match.lastgroup, match.start()
        begins = group in ("number", "quoted") or (group == "name" and token not in ("and", "or"))
        if (before and begins) or (before == "literal" and token in ("(", "[")):
            raise ExpressionError(f"an operator is missing before '{token}'", text=text, position=position)
        before = "operand" if (begins and token != "not") or token in _PAIRS else ""
        before = "literal" if group == "number" or token in ("True", "False") else before
        if group == "quoted":
            placeholder = f"__{len(quoted)}__"
            quoted[placeholder] = token[1:-1]
            token = placeholder
        starts.append(length)
        origins.append(match.span())
        source.append(_REWRITTEN.get(token, token) + " ")
        length += len(source[-1])
    _check_brackets(text)
    if not source:
        raise ExpressionError("the expression is empty")
    if not before:
        raise ExpressionError("the expression is incomplete", text=text, position=len(text.rstrip()))
    return Scanned("".join(source), quoted, tuple(starts), tuple(origins))


def _tokens(text: str) -> Iterator[re.Match[str]]:
    """The tokens, without white space."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unexpected(text, position)
        if match.lastgroup == "name":
            _check_name(text, match.group(), position)
        elif match.lastgroup == "number":
            _check_number(text, match.end(), position)
        if match.lastgroup != "space":
            yield match
        position = match.end()


def _check_brackets(text: str) -> None:
    open_brackets: list[re.Match[str]] = []
    for match in _tokens(text):
        token = match.group()
        if token in ("(", "["):
            open_brackets.append(match)
        elif token in _PAIRS:
            if not open_brackets or open_brackets[-1].group() != _PAIRS[token]:
                what = f"'{token}' without '{_PAIRS[token]}'"
                raise ExpressionError(what, text=text, position=match.start())
            open_brackets.pop()
        if len(open_brackets) > MAX_NESTING:
            what = f"more than {MAX_NESTING} brackets are open"
            raise ExpressionError(what, hint="split it into several variables")
    if open_brackets:
        last = open_brackets[-1]
        raise ExpressionError(f"'{last.group()}' is not closed", text=text, position=last.start())


def _check_name(text: str, name: str, position: int) -> None:
    if name.startswith("__") and name.endswith("__"):
        raise ExpressionError(f"the name {name} is not allowed", text=text, position=position)
    if keyword.iskeyword(name) and name not in _WORDS:
        hint = _KEYWORD_HINTS.get(name, "a branch of this name goes into backticks")
        raise ExpressionError(f"'{name}' is not allowed in an expression", text=text, position=position, hint=hint)


def _check_number(text: str, end: int, position: int) -> None:
    if end < len(text) and (text[end].isalnum() or text[end] in "_."):
        stop = end
        while stop < len(text) and (text[stop].isalnum() or text[stop] in "_."):
            stop += 1
        raise ExpressionError(f"'{text[position:stop]}' is not a number", text=text, position=position)


def _unexpected(text: str, position: int) -> ExpressionError:
    for symbol in (text[position : position + 2], text[position]):
        if symbol in _FORBIDDEN:
            what, hint = _FORBIDDEN[symbol]
            return ExpressionError(what, text=text, position=position, hint=hint)
    character = text[position]
    hint = "a branch with an unusual name goes into backticks" if character.isalpha() else None
    return ExpressionError(f"the character {character!r} is not allowed", text=text, position=position, hint=hint)
