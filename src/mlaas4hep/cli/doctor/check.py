"""One line of what ``doctor`` found, and all of them as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mlaas4hep.errors import without_credentials

__all__ = ["Check", "table"]

MARKS = {"ok": "ok", "absent": "-", "failed": "FAIL"}


@dataclass(frozen=True)
class Check:
    """Something that was looked at.

    Attributes:
        group: heading that it stands under.
        name: what was looked at.
        state: ``ok``; ``absent``: it is not there, which matters to those who need it; ``failed``.
        text: what was found, and what to do if it failed. No secrets.
        facts: numbers and names for scripts.
    """

    group: str
    name: str
    state: Literal["ok", "absent", "failed"]
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts, without credentials of URLs."""
        texts = {"group": self.group, "name": self.name, "state": self.state, "text": self.text}
        facts = {
            name: without_credentials(value) if isinstance(value, str) else value for name, value in self.facts.items()
        }
        return {**{name: without_credentials(text) for name, text in texts.items()}, **facts}


def table(checks: Sequence[Check]) -> str:
    """Return one line a check, below the headings of their groups, without credentials of URLs."""
    width = max((min(len(check.name), 40) for check in checks), default=0)
    lines: list[str] = []
    for number, check in enumerate(checks):
        if number == 0 or checks[number - 1].group != check.group:
            lines += ["", check.group] if lines else [check.group]
        if len(check.name) > width:
            lines += [f"  {MARKS[check.state]:<4}  {check.name}", f"        {'':<{width}}  {check.text}"]
        else:
            lines.append(f"  {MARKS[check.state]:<4}  {check.name:<{width}}  {check.text}")
    return without_credentials("\n".join(line.rstrip() for line in lines))
