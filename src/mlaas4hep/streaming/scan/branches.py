"""Which branches of the files are features, which identify an event, and whether every file has what is needed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mlaas4hep.config.parts import EventSettings
from mlaas4hep.config.sections.selection import Cut
from mlaas4hep.errors import BranchNotFoundError, ConfigError, FileError, MLaaS4HEPError, UnsupportedBranchError
from mlaas4hep.errors.findings import Findings, few
from mlaas4hep.features.preprocess import Preprocessing
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.scan.agreement import check_meaning, contested, lost_branches, lost_error
from mlaas4hep.streaming.scan.patterns import Patterns

__all__ = ["DEFAULT_IDENTIFIER", "BranchChoice", "check_inputs", "choose_branches", "names_event"]

DEFAULT_IDENTIFIER = ("run", "event", "luminosityBlock")

FUNCTION_CUT = "preprocessing"
"""Name in the cutflow of what the user's function selects."""

_OF_EVENT = re.compile(
    r"(mc_?)?(run|event|evt|channel)(_?(number|num|nr|no|id))?"
    r"|lumi(nosity)?(_?(block|section))?(_?(number|num|nr|no|id))?|lbn?|ls|dsid|dataset_?(number|id)"
    r"|unnamed: \d+|__index_level_\d+__|"  # the index that pandas writes beside the columns, in CSV without a name
    r"|bcid|bunch(_?crossing)?(_?(number|id))?|orbit(_?(number|num))?",
    re.IGNORECASE,
)
_OWNER = re.compile(r"(.*[./])?(EventInfo(Aux(Dyn)?)?_)?", re.IGNORECASE)

_WORD = re.compile(r"\w+")

Kinds = Mapping[str, Literal["flat", "jagged"]]


@dataclass(frozen=True)
class BranchChoice:
    """What is read and what becomes of it.

    Attributes:
        preprocessing: variables and cuts, checked against the branches.
        features: branches and variables that become feature columns, in order.
        identifier: branches whose values identify an event; empty: file and entry do.
        left_out: branches that are not features although nobody excluded them, with the reason.
        notes: what was decided and may be of interest.
        warnings: what the user asked for and may regret.
        lost: branches that would be features, but whose numbers are missing or damaged, with what is wrong.
    """

    preprocessing: Preprocessing
    features: tuple[str, ...]
    identifier: tuple[str, ...]
    left_out: dict[str, str]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lost: dict[str, str] = field(default_factory=dict)


def names_event(name: str) -> bool:
    """Return whether a branch of this name tells which event it is (its number, run or data set), and nothing about it.

    The case of letters does not matter, nor an owner before a dot.

    Example:
        >>> [names_event(name) for name in ("eventNumber", "EventInfo.runNumber", "event_weight", "nEvents")]
        [True, True, False, False]
    """
    owner = _OWNER.match(name)
    return _OF_EVENT.fullmatch(name, owner.end() if owner else 0) is not None


def choose_branches(files: Sequence[DataFile], settings: EventSettings, *, without_lost: bool = False) -> BranchChoice:
    """Decide from the configuration and the files' branches.

    Args:
        files: open ones.
        settings: what the user wants of each event.
        without_lost: do without features whose numbers are missing or damaged in the files.

    Raises:
        BranchNotFoundError: a branch that is needed is missing in one of the files.
        BranchReadError: the numbers of a branch that is needed are missing or damaged.
        UnsupportedBranchError: a branch asked for by name holds no numbers.
        ConfigError: no feature is left, or a branch is not the same thing in all files.
    """
    union: dict[str, Branch] = {}
    for file in files:
        union = {**file.source.branches, **union}
    lost = lost_branches(files)
    numeric = {name: branch.kind for name, branch in union.items() if branch.kind != "unsupported"}
    kept = next((file.source.computed.kept for file in files if file.source.computed), None)
    selection = (*([Cut(name=FUNCTION_CUT, expression=kept)] if kept else []), *settings.selection)
    try:
        preprocessing = Preprocessing.build(settings.variables, selection, numeric)
    except MLaaS4HEPError:
        texts = [*(step.expression for step in settings.variables), *(cut.expression for cut in settings.selection)]
        words = {word for text in texts for word in _WORD.findall(text)}
        if words & lost.keys():
            raise lost_error({name: lost[name] for name in lost if name in words}, files) from None
        raise
    identifier = _identifier(files, settings)
    special: dict[str | None, str] = {
        **{name: "an identifier" for name in (*union, *identifier) if name in identifier or names_event(name)},
        settings.weight_branch: "the weight",
        settings.label_branch: "the label",
    }
    warned = Findings()
    features, left_out = _features(union, settings, files[0].path, special, lost, warned)
    gone = {name: lost[name] for name in features if name in lost}
    if gone and (not without_lost or len(gone) == len(features)):
        raise lost_error(gone, files)
    features = [name for name in features if name not in gone]
    exclude = Patterns(settings.exclude)
    features += [v.name for v in settings.variables if not exclude.match(v.name) and v.name not in special]
    if not features:
        why = [f"{name} {reason}" for name, reason in left_out.items()]
        also = f"; left out: {few(why)}" if why else ""
        hint = f"look at features.include and features.exclude{also}"
        raise ConfigError("no branch is left as a feature", hint=hint)
    known = [*union, *(variable.name for variable in settings.variables)]
    for pattern in settings.exclude:
        if not Patterns((pattern,)).match_any(known):
            warned.add("features.exclude names branches that do not exist", pattern)
    used = [*features, *identifier, *filter(None, [settings.weight_branch])]
    needed = preprocessing.needed([*used, *filter(None, [settings.label_branch])])
    problems: list[FileError] = []
    for file in files:
        names = needed if file.sample.label is None else preprocessing.needed(used)
        try:
            with file.blamed():
                _require(file, names, union, special, skip_kind=settings.label_branch)
        except FileError as error:
            problems.append(error)
    if problems:
        problems[0].others = tuple(problems[1:])
        raise problems[0]
    found = [name for name, role in special.items() if name in left_out and role == "an identifier"]
    text = f"identifiers, which are not features: {few(found)} (features.include takes one by its name)"
    check_meaning(files, needed)
    notes = [*([text] if found else []), *filter(None, [contested(union, features)])]
    return BranchChoice(
        preprocessing,
        tuple(features),
        identifier,
        left_out,
        tuple(notes),
        warned.lines(),
        {name: problem for name, (_, problem) in gone.items()},
    )


def _features(
    branches: Mapping[str, Branch],
    settings: EventSettings,
    path: str,
    special: Mapping[str | None, str],
    lost: Container[str],
    warned: Findings,
) -> tuple[list[str], dict[str, str]]:
    include, exclude = settings.include, settings.exclude
    chosen: list[str] = []
    left_out: dict[str, str] = {}
    for pattern in include:
        if pattern not in branches and not Patterns((pattern,)).match_any(branches):
            if any(variable.name == pattern for variable in settings.variables):
                continue
            raise missing_branch(pattern, path, branches)
        branch = branches.get(pattern)
        if branch is not None and branch.kind == "unsupported" and pattern not in lost:
            raise UnsupportedBranchError(
                f"branch {pattern} {branch.problem}",
                where=path,
                hint="leave it out of features.include",
            )
    asked_for, included, excluded = frozenset(include), Patterns(include), Patterns(exclude)
    known = {*DEFAULT_IDENTIFIER, *(settings.identifier or ()), settings.weight_branch, settings.label_branch}
    for name, branch in branches.items():
        asked = name in asked_for
        if excluded.match(name) or (include and not asked and not included.match(name)):
            continue
        if name in special and not (asked and name != settings.label_branch):
            if asked or name not in known:
                left_out[name] = f"is {special[name]}"
        elif branch.kind == "unsupported" and name not in lost:
            left_out[name] = branch.problem
        elif not branch.hidden or asked:
            chosen.append(name)
            if name in special:
                warned.add("a feature because features.include names it", name, f"it is {special[name]}")
    return chosen, left_out


def _identifier(files: Sequence[DataFile], settings: EventSettings) -> tuple[str, ...]:
    if settings.identifier is not None:
        return settings.identifier
    names = DEFAULT_IDENTIFIER
    kinds = [file.source.branches[name].kind for file in files for name in names if name in file.source.branches]
    return names if kinds == ["flat"] * len(files) * len(names) else ()


def _require(
    file: DataFile,
    needed: Iterable[str],
    union: Mapping[str, Branch],
    special: Mapping[str | None, str],
    *,
    skip_kind: str | None,
) -> None:
    branches = file.source.branches
    for name in needed:
        branch = branches.get(name)
        if branch is None:
            named = {"otherwise": f"it is named as {special[name]}"} if name in special else {}
            raise missing_branch(name, file.path, branches, **named)
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
        with file.blamed():
            if branch is None:
                raise missing_branch(name, file.path, branches, otherwise="the model needs it")
            if branch.kind == "unsupported":
                raise UnsupportedBranchError(f"branch {name} {branch.problem}", where=file.path)
        if branch.kind != kind:
            raise ConfigError(f"branch {name} is {branch.kind} here, {kind} in training", where=file.path)


def missing_branch(
    name: str, path: str, branches: Iterable[str], *, otherwise: str = "exclude it if it is not needed"
) -> BranchNotFoundError:
    """Return the error for a branch that a file lacks, with the names that come close."""
    close = difflib.get_close_matches(name, list(branches), n=3)
    hint = f"did you mean {', '.join(close)}?" if close else f"`mlaas4hep inspect` lists the branches; {otherwise}"
    return BranchNotFoundError(f"no branch {name}", where=path, hint=hint)
