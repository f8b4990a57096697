"""Which branches of the files are features, which identify an event, and whether every file has what is needed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Literal

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import BranchNotFoundError, ConfigError, UnsupportedBranchError
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.readers.base import Branch

__all__ = ["DEFAULT_IDENTIFIER", "BranchChoice", "check_inputs", "choose_branches", "names_event"]

DEFAULT_IDENTIFIER = ("run", "event", "luminosityBlock")

_OF_EVENT = re.compile(
    r"(mc_?)?(run|event|evt|channel)(_?(number|num|nr|no|id))?"
    r"|lumi(nosity)?(_?(block|section))?(_?(number|num|nr|no|id))?|lbn?|ls|dsid|dataset_?(number|id)"
    r"|bcid|bunch(_?crossing)?(_?(number|id))?|orbit(_?(number|num))?",
    re.IGNORECASE,
)
_OWNER = re.compile(r"(.*[./])?(EventInfo(Aux(Dyn)?)?_)?", re.IGNORECASE)

_NO_GLOB = re.compile(r"[^*?\[]*")

Kinds = Mapping[str, Literal["flat", "jagged"]]


@dataclass(frozen=True)
class BranchChoice:
    """What is read and what becomes of it.

    Attributes:
        preprocessing: variables and cuts, checked against the branches.
        features: branches and variables that become feature columns, in order.
        identifier: branches whose values identify an event; empty: file and entry do.
        left_out: branches that are no features although nobody excluded them, with the reason.
        unmatched: exclude patterns that match nothing.
        notes: what was decided and may be of interest.
        warnings: what the user asked for and may regret.
    """

    preprocessing: Preprocessing
    features: tuple[str, ...]
    identifier: tuple[str, ...]
    left_out: dict[str, str]
    unmatched: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def names_event(name: str) -> bool:
    """Whether a branch of this name tells which event it is (its number, run or data set), and nothing about it.

    The case of letters does not matter, nor an owner before a dot.

    Example:
        >>> [names_event(name) for name in ("eventNumber", "EventInfo.runNumber", "event_weight", "nEvents")]
        [True, True, False, False]
    """
    owner = _OWNER.match(name)
    return _OF_EVENT.fullmatch(name, owner.end() if owner else 0) is not None


def choose_branches(files: Sequence[DataFile], workflow: Workflow) -> BranchChoice:
    """Decide from the configuration and the files' branches.

    Raises:
        BranchNotFoundError: a branch that is needed is missing in one of the files.
        UnsupportedBranchError: a branch asked for by name holds no numbers.
        ConfigError: no feature is left, or a branch is flat in one file and jagged in another.
    """
    union: dict[str, Branch] = {}
    for file in files:
        union = {**file.source.branches, **union}
    numeric = {name: branch.kind for name, branch in union.items() if branch.kind != "unsupported"}
    preprocessing = Preprocessing.build(workflow.variables, workflow.selection, numeric)
    identifier = _identifier(files, workflow)
    special: dict[str | None, str] = {
        **{name: "an identifier" for name in (*union, *identifier) if name in identifier or names_event(name)},
        workflow.weights.branch: "the weight",
        workflow.label_branch: "the label",
    }
    features, left_out, warnings = _features(union, workflow, files[0].path, special)
    exclude = _Patterns(workflow.features.exclude)
    features += [v.name for v in workflow.variables if not exclude.match(v.name) and v.name not in special]
    if not features:
        raise ConfigError("no branch is left as a feature", hint="look at features.include and features.exclude")
    known = [*union, *(variable.name for variable in workflow.variables)]
    unmatched = tuple(pattern for pattern in workflow.features.exclude if not _Patterns((pattern,)).match_any(known))
    extra = [name for name in (workflow.weights.branch, workflow.label_branch) if name]
    needed = preprocessing.needed([*features, *identifier, *extra])
    for file in files:
        _require(file, needed, union, skip_kind=workflow.label_branch)
    found = [name for name, role in special.items() if name in left_out and role == "an identifier"]
    text = f"identifiers, which are not features: {', '.join(found)} (features.include takes one by its name)"
    notes = (text,) if found else ()
    return BranchChoice(preprocessing, tuple(features), identifier, left_out, unmatched, notes, tuple(warnings))


def _features(
    branches: Mapping[str, Branch], workflow: Workflow, path: str, special: Mapping[str | None, str]
) -> tuple[list[str], dict[str, str], list[str]]:
    include, exclude = workflow.features.include, workflow.features.exclude
    chosen: list[str] = []
    left_out: dict[str, str] = {}
    warnings: list[str] = []
    for pattern in include:
        if pattern not in branches and not _Patterns((pattern,)).match_any(branches):
            if any(variable.name == pattern for variable in workflow.variables):
                continue
            raise missing_branch(pattern, path, branches)
        branch = branches.get(pattern)
        if branch is not None and branch.kind == "unsupported":
            raise UnsupportedBranchError(
                f"branch {pattern} {branch.problem}",
                where=path,
                hint="leave it out of features.include",
            )
    asked_for, included, excluded = frozenset(include), _Patterns(include), _Patterns(exclude)
    known = {*DEFAULT_IDENTIFIER, *(workflow.identifier or ()), workflow.weights.branch, workflow.label_branch}
    for name, branch in branches.items():
        asked = name in asked_for
        if excluded.match(name) or (include and not asked and not included.match(name)):
            continue
        if name in special and not (asked and name != workflow.label_branch):
            if asked or name not in known:
                left_out[name] = f"is {special[name]}"
        elif branch.kind == "unsupported":
            left_out[name] = branch.problem
        elif not branch.hidden or asked:
            chosen.append(name)
            if name in special:
                warnings.append(f"{name} is {special[name]}, and a feature because features.include names it")
    return chosen, left_out, warnings


def _identifier(files: Sequence[DataFile], workflow: Workflow) -> tuple[str, ...]:
    if workflow.identifier is not None:
        return workflow.identifier
    names = DEFAULT_IDENTIFIER
    kinds = [file.source.branches[name].kind for file in files for name in names if name in file.source.branches]
    return names if kinds == ["flat"] * len(files) * len(names) else ()


def _require(file: DataFile, needed: Iterable[str], union: Mapping[str, Branch], *, skip_kind: str | None) -> None:
    branches = file.source.branches
    for name in needed:
        branch = branches.get(name)
        if branch is None:
            raise missing_branch(name, file.path, branches)
        if branch.kind == "unsupported" and name != skip_kind:
            raise UnsupportedBranchError(f"branch {name} {branch.problem}", where=file.path)
        if union[name].kind != branch.kind:
            raise ConfigError(
                f"branch {name} is {branch.kind} here and {union[name].kind} in another file",
                where=file.path,
                hint="exclude it, or use files of one kind",
            )


def check_inputs(file: DataFile, kinds: Kinds) -> None:
    """See that a file has the branches a trained model needs, of the kinds it was trained on.

    Raises:
        BranchNotFoundError: a branch is missing.
        UnsupportedBranchError: a branch holds no numbers.
        ConfigError: a branch is flat here and was jagged in training, or the other way round.
    """
    branches = file.source.branches
    for name, kind in kinds.items():
        branch = branches.get(name)
        if branch is None:
            raise missing_branch(name, file.path, branches, otherwise="the model needs it")
        if branch.kind == "unsupported":
            raise UnsupportedBranchError(f"branch {name} {branch.problem}", where=file.path)
        if branch.kind != kind:
            raise ConfigError(f"branch {name} is {branch.kind} here, {kind} in training", where=file.path)


def missing_branch(
    name: str, path: str, branches: Iterable[str], *, otherwise: str = "exclude it if it is not needed"
) -> BranchNotFoundError:
    """The error for a branch that a file lacks, with the names that come close."""
    close = difflib.get_close_matches(name, list(branches), n=3)
    hint = f"did you mean {', '.join(close)}?" if close else f"`mlaas4hep inspect` lists the branches; {otherwise}"
    return BranchNotFoundError(f"no branch {name}", where=path, hint=hint)


class _Patterns:
    """Names and glob patterns; compiled once, as a file may have thousands of branches."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._names = frozenset(patterns)
        globs = [translate(pattern) for pattern in sorted(self._names) if not _NO_GLOB.fullmatch(pattern)]
        self._globs = re.compile("|".join(globs)) if globs else None

    def match(self, name: str) -> bool:
        return name in self._names or (self._globs is not None and self._globs.match(name) is not None)

    def match_any(self, names: Iterable[str]) -> bool:
        return any(map(self.match, names))
