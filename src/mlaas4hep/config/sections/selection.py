"""New variables, and the cuts that select events."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from mlaas4hep.config.fields import Name
from mlaas4hep.config.sections.section import Section

__all__ = ["Cut", "Cuts", "Variable", "Variables"]


class Variable(Section):
    """A new branch computed from others, in the order of definition."""

    name: Name
    expression: Name = Field(description="E.g. `sqrt(px**2 + py**2)` or `sum(Jet_pt)`.")
    kind: Literal["flat", "jagged"] | None = Field(default=None, description="If given, checked against the result.")


class Cut(Section):
    """One line of the cutflow: events for which the expression is false (or missing) are removed."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(required=["expression"]))

    name: Name = Field(description="Name in the cutflow; the expression by default.")
    expression: Name = Field(description="E.g. `(MET_pt > 20) & any(Muon_pt > 25)`.")

    @model_validator(mode="before")
    @classmethod
    def _name_by_expression(cls, data: object) -> object:
        if isinstance(data, str):
            return {"name": data, "expression": data}
        if isinstance(data, dict) and "expression" in data and "name" not in data:
            return {"name": data["expression"], **data}
        return data


def _variables(value: object) -> object:
    if isinstance(value, dict):
        return [
            {"name": name, **entry} if isinstance(entry, dict) else {"name": name, "expression": entry}
            for name, entry in value.items()
        ]
    return value


def _cuts(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


Variables: TypeAlias = Annotated[
    tuple[Variable, ...], BeforeValidator(_variables, json_schema_input_type=list[Variable] | dict[str, str])
]
Cuts: TypeAlias = Annotated[tuple[Cut, ...], BeforeValidator(_cuts, json_schema_input_type=str | Cut | list[str | Cut])]
