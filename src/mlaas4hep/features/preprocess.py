"""New variables and cuts, built once from the configuration and used alike in training and in serving."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.config.sections.selection import Cut, Variable
from mlaas4hep.errors import BranchNotFoundError, BundleError, ConfigError, ExpressionError
from mlaas4hep.features.columns import Column, Columns, Jagged, length_of
from mlaas4hep.features.expression import Expression, Kind, parse, suggestion

__all__ = ["NamedCut", "NamedVariable", "Preprocessing"]


@dataclass(frozen=True, slots=True)
class NamedVariable:
    """A new branch: its name, its expression, and whether it is flat or jagged."""

    name: str
    expression: Expression
    kind: Kind


@dataclass(frozen=True, slots=True)
class NamedCut:
    """A condition on events, with its name in the cutflow."""

    name: str
    expression: Expression


@dataclass(frozen=True)
class Preprocessing:
    """All variables and cuts, parsed and checked.

    Attributes:
        variables: in the order of definition; each may use those before it.
        cuts: in the order of the cutflow.

    Example:
        >>> cut = Cut(name="one jet", expression="ht > 30")
        >>> ht = Variable(name="ht", expression="sum(Jet_pt)")
        >>> steps = Preprocessing.build([ht], [cut], {"Jet_pt": "jagged"})
        >>> steps.names
        ('Jet_pt',)
        >>> steps.passing({"Jet_pt": Jagged.from_lists([[20.0, 20.0], [25.0]])})
        array([[ True, False]])
    """

    variables: tuple[NamedVariable, ...] = ()
    cuts: tuple[NamedCut, ...] = ()

    @staticmethod
    def build(variables: Sequence[Variable], cuts: Sequence[Cut], kinds: Mapping[str, str]) -> Preprocessing:
        """Parse all expressions and check them against the branches there are.

        Args:
            variables: new branches; each may use branches and the variables before it.
            cuts: conditions that make one value an event.
            kinds: ``flat`` or ``jagged`` for every branch of the input.

        Raises:
            ConfigError: a variable has the name of a branch or of another variable, or is not of the kind it says.
            ExpressionError: a syntax error, an unknown branch, a flat value where a list is needed, or a cut that makes
                a list or a number.
        """
        known = dict(kinds)
        later = [variable.name for variable in variables]
        named: list[NamedVariable] = []
        for variable in variables:
            where = f"variable {variable.name}"
            if variable.name in known:
                other = "variable" if variable.name in later[: len(named)] else "branch"
                raise ConfigError(f"there is already a {other} of this name", where=where, hint="choose another name")
            expression, kind = _checked(variable.expression, known, where, later[len(named) :])
            if variable.kind is not None and variable.kind != kind:
                raise ConfigError(
                    f"the expression {variable.expression!r} is {kind}, not {variable.kind}", where=where,
                    hint=f"state {kind} as its type",
                )  # fmt: skip
            known[variable.name] = kind
            named.append(NamedVariable(variable.name, expression, kind))
        return Preprocessing(tuple(named), tuple(_checked_cut(cut, known) for cut in cuts))

    @property
    def variable_kinds(self) -> dict[str, Kind]:
        """Kind of each variable, in the order of definition."""
        return {variable.name: variable.kind for variable in self.variables}

    @property
    def cut_names(self) -> tuple[str, ...]:
        """Names of the cuts, in order."""
        return tuple(cut.name for cut in self.cuts)

    @property
    def names(self) -> tuple[str, ...]:
        """Branches of the input that all variables and cuts need."""
        return self.needed(self.variable_kinds)

    def needed(self, features: Iterable[str]) -> tuple[str, ...]:
        """Branches of the input needed to produce these branches and variables, and for the cuts."""
        return self.needed_for([*features, *self._cut_branches()])

    def needed_for(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Branches of the input needed to produce these branches and variables, without the cuts."""
        wanted = list(wanted)
        inputs = dict.fromkeys(name for name in wanted if name not in self.variable_kinds)
        computed = set(self.variables_for(wanted))
        for variable in self.variables:
            if variable.name in computed:
                inputs.update(dict.fromkeys(n for n in variable.expression.names if n not in self.variable_kinds))
        return tuple(inputs)

    def variables_for(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Variables that must be computed to produce these branches and variables, in the order of definition."""
        found = set(wanted)
        for variable in reversed(self.variables):
            if variable.name in found:
                found.update(variable.expression.names)
        return tuple(variable.name for variable in self.variables if variable.name in found)

    def compute(self, columns: Columns, wanted: Iterable[str], events: int | None = None) -> dict[str, Column]:
        """Branches and variables by name, in the order asked for; no others are computed.

        Args:
            columns: at least the branches in ``needed_for(wanted)``.
            wanted: names of branches and variables.
            events: number of events, for variables that need no branch. Default: that of the columns.

        Raises:
            BranchNotFoundError: a branch is not among the columns.
            LengthMismatchError: lists of different lengths are combined; its `event` says where.
        """
        wanted = list(wanted)
        found = self._computed(columns, wanted, events)
        return {name: found[name] for name in wanted}

    def passing(self, columns: Columns, events: int | None = None) -> NDArray[np.bool_]:
        """Return whether each event passes each cut, taken alone.

        Args:
            columns: at least the branches in ``needed([])``.
            events: number of events, for cuts that need no branch. Default: that of the columns.

        Returns:
            bool [cuts, events].

        Raises:
            BranchNotFoundError: a branch is not among the columns.
            LengthMismatchError: lists of different lengths are combined; its `event` says where.
        """
        size = length_of(columns) if events is None else events
        found = self._computed(columns, self._cut_branches(), size)
        passing = np.empty((len(self.cuts), size), dtype=np.bool_)
        for row, cut in zip(passing, self.cuts, strict=True):
            passes = cut.expression.passes(found, size)
            if isinstance(passes, Jagged):
                raise ExpressionError(*_JAGGED_CUT, text=cut.expression.text, where=f"cut {cut.name}")
            row[:] = passes
        return passing

    def to_json(self) -> list[dict[str, str]]:
        """For a bundle: one object a variable and a cut, in order."""
        variables = [{"variable": v.name, "expression": v.expression.text, "kind": v.kind} for v in self.variables]
        return [*variables, *({"cut": cut.name, "expression": cut.expression.text} for cut in self.cuts)]

    @staticmethod
    def from_json(data: object) -> Preprocessing:
        """Return what `to_json` wrote.

        Raises:
            BundleError: it is something else.
            ExpressionError: an expression is not valid.
        """
        if not isinstance(data, list):
            raise BundleError("the preprocessing is not a list")
        variables: list[NamedVariable] = []
        cuts: list[NamedCut] = []
        for entry in data:
            match entry:
                case {"variable": str(name), "expression": str(text), "kind": "flat" | "jagged" as kind} if (
                    len(entry) == 3
                ):
                    variables.append(NamedVariable(name, parse(text), kind))
                case {"cut": str(name), "expression": str(text)} if len(entry) == 2:
                    cuts.append(NamedCut(name, parse(text)))
                case _:
                    raise BundleError(f"the preprocessing has an unknown entry {entry!r}")
        return Preprocessing(tuple(variables), tuple(cuts))

    def _cut_branches(self) -> list[str]:
        return [name for cut in self.cuts for name in cut.expression.names]

    def _computed(self, columns: Columns, wanted: Sequence[str], events: int | None) -> dict[str, Column]:
        """The branches needed and the variables wanted. A column with a variable's name is never used in its stead."""
        size = length_of(columns) if events is None else events
        found: dict[str, Column] = {}
        for name in self.needed_for(wanted):
            if name not in columns:
                raise BranchNotFoundError(f"branch {name} is missing", hint=suggestion(name, columns))
            found[name] = columns[name]
        computed = set(self.variables_for(wanted))
        for variable in self.variables:
            if variable.name in computed:
                found[variable.name] = variable.expression.evaluate(found, size)
        return found


_JAGGED_CUT = ("the cut makes a list of values an event, not one",)


def _checked(text: str, known: Mapping[str, str], where: str, later: Sequence[str] = ()) -> tuple[Expression, Kind]:
    """The expression and its kind; errors say where it stands in the configuration."""
    try:
        expression = parse(text)
        unknown = [name for name in expression.names if name not in known and name in later]
        if unknown and unknown[0] == later[0]:
            raise ExpressionError("a variable cannot use itself", text=text)
        if unknown:
            raise ExpressionError(
                f"variable {unknown[0]} is defined only later", text=text, hint="define it before it is used"
            )
        return expression, expression.kind(known)
    except ExpressionError as error:
        raise _located(error, where) from error


def _checked_cut(cut: Cut, known: Mapping[str, str]) -> NamedCut:
    where = "cut" if cut.name == cut.expression else f"cut {cut.name}"
    expression, kind = _checked(cut.expression, known, where)
    try:
        expression.check_condition()
    except ExpressionError as error:
        raise _located(error, where) from error
    if kind == "jagged":
        raise ExpressionError(
            *_JAGGED_CUT, text=cut.expression, where=where, hint=f"write any({cut.expression}) or all({cut.expression})"
        )
    return NamedCut(cut.name, expression)


def _located(error: ExpressionError, where: str) -> ExpressionError:
    located = ExpressionError(error.what, where=where, hint=error.hint)
    located.text, located.position = error.text, error.position
    return located
