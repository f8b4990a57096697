"""Parts of a workflow that are put together from several sections, resolved once for the rooms below."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from mlaas4hep.config.sections.events import Split
from mlaas4hep.config.sections.selection import Cut, Variable

__all__ = ["EventSettings"]


@dataclass(frozen=True)
class EventSettings:
    """What is read of each event, and as what.

    Attributes:
        variables: new branches, in the order of definition.
        selection: cuts that an event must pass, in order.
        include: branches or glob patterns that are features; empty: all numeric branches.
        exclude: branches or glob patterns that are not features.
        missing: values that mean missing.
        identifier: branches that identify an event; None: the usual ones, if all are there.
        label_branch: holds the label of the events of samples without one.
        weight_branch: holds a weight for each event.
        negative: what is done with negative weights.
        split: shares of training, validation and test.
    """

    variables: tuple[Variable, ...] = ()
    selection: tuple[Cut, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    missing: tuple[float, ...] = ()
    identifier: tuple[str, ...] | None = None
    label_branch: str | None = None
    weight_branch: str | None = None
    negative: Literal["keep", "abs", "drop", "error"] = "keep"
    split: Split = field(default_factory=Split)

    def unsplit(self) -> EventSettings:
        """Return the same settings with all events in one part."""
        return replace(self, split=Split(validation=0.0, test=0.0))
