"""What an event weighs, and which part of the split it belongs to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlaas4hep.config.fields import Real, Seed
from mlaas4hep.config.sections.section import Section

__all__ = ["Split", "Weights"]


Share = Annotated[Real, Field(ge=0.0, lt=1.0)]


class Weights(Section):
    """Event weights: file weight x weight branch; balance acts on training only, never on metrics."""

    branch: str | None = Field(default=None, description="Branch or variable that holds a weight for each event.")
    balance: bool | None = Field(
        default=None,
        description="Give every class the same sum of weights in training. Default: yes if weights are used.",
    )
    negative: Literal["keep", "abs", "drop", "error"] = Field(
        default="keep", description="What to do with negative weights."
    )


class Split(Section):
    """Shares of the events, decided event by event from a hash of the event's identity."""

    validation: Share = 0.2
    test: Share = 0.2
    seed: Seed = Field(default=0, description="Another seed gives another split.")

    @model_validator(mode="after")
    def _train_is_left(self) -> Split:
        if self.validation + self.test >= 1.0:
            msg = f"validation {self.validation} + test {self.test} leave nothing for training"
            raise ValueError(msg)
        return self

    @property
    def train(self) -> float:
        """Share of the training events."""
        return 1.0 - self.validation - self.test
