"""Whatever stands in a configuration, it is a workflow or one clear line, never a traceback."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from mlaas4hep.config import Sample, Training, read_legacy, read_yaml
from mlaas4hep.config.legacy.params import KEYS
from mlaas4hep.config.problems import config_error
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError, MLaaS4HEPError

BASE: dict[str, Any] = {
    "samples": [{"name": "a", "files": "a.csv", "label": 0}, {"name": "b", "files": "b.csv", "label": 1}],
    "training": {"model": "model.py"},
}

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**32, 2**63, 2**64, -1, 0, 10**400]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "nan", "-inf", "true", "1", "\ufeff", "a,b", "*", "../x", "\x00", "é" * 300]),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers() | st.booleans(), max_size=2),
)


def sections(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Every section with its place, lists by their first element."""
    yield above, model
    for name, field in model.model_fields.items():
        for kind in _models(field.annotation):
            yield from sections(kind, (*above, name))


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


SECTIONS = dict(sections(Workflow))
KEYS_OF_YAML = [(*place, key) for place, model in SECTIONS.items() for key in model.model_fields]


def put(data: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    inside: Any = data
    for part in place[:-1]:
        if part in {"samples", "variables", "selection"}:
            inside = inside.setdefault(part, [{"name": "z", "expression": "x"}])[0]
        else:
            inside = inside.setdefault(part, {})
    inside[place[-1]] = value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("any")
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text("x\n1\n")
    (folder / "model.py").write_text("def model(): ...\n")
    return folder


@settings(max_examples=600)
@given(place=st.sampled_from(KEYS_OF_YAML), value=VALUES)
def test_any_value_of_any_key_of_yaml(folder: Path, place: tuple[str, ...], value: Any) -> None:
    data = json.loads(json.dumps(BASE))
    put(data, place, value)
    path = folder / "w.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    assert_one_line(lambda: read_yaml(path))


@pytest.mark.filterwarnings("ignore::mlaas4hep.config.problems.ConfigWarning")
@settings(max_examples=400)
@given(key=st.sampled_from(sorted(KEYS)), value=VALUES)
def test_any_value_of_any_key_of_params(folder: Path, key: str, value: Any) -> None:
    path = folder / "params.json"
    path.write_text(json.dumps({key: value}), encoding="utf-8")
    files = f"{folder}/a.csv,{folder}/b.csv"
    assert_one_line(lambda: read_legacy(files, "0,1", path, folder / "model.py"))


def assert_one_line(read: Callable[[], object]) -> None:
    """It is a workflow, or an error of one line; anything else that is raised fails the test."""
    found: object
    try:
        found = read()
    except MLaaS4HEPError as error:
        found = str(error)
    assert isinstance(found, Workflow) or (isinstance(found, str) and "\n" not in found)


def numbers(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kinds = set(_scalars(field.annotation))
        if kinds & {int, float} and bool not in kinds:
            yield name


def _scalars(annotation: object) -> Iterator[object]:
    yield annotation
    for argument in get_args(annotation):
        yield from _scalars(argument)


@pytest.mark.parametrize(
    ("place", "key"), [(place, key) for place, model in SECTIONS.items() for key in numbers(model)]
)
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_not_a_number(place: tuple[str, ...], key: str, value: bool) -> None:
    data = json.loads(json.dumps(BASE))
    put(data, (*place, key), value)
    with pytest.raises(ValidationError):
        Workflow.model_validate(data)


@pytest.mark.parametrize("seed", [2**32, -1, 2**64, 1.5, math.nan])
@pytest.mark.parametrize("place", [("training", "seed"), ("split", "seed")])
def test_a_seed_that_no_framework_takes(place: tuple[str, ...], seed: float) -> None:
    data = json.loads(json.dumps(BASE))
    put(data, place, seed)
    with pytest.raises(ValidationError):
        Workflow.model_validate(data)


def test_the_largest_seed() -> None:
    assert Training(model=Path("m.py"), seed=2**32 - 1).seed == 2**32 - 1


@pytest.mark.parametrize("label", ["nan", "NaN", "inf", "-Infinity", ""])
def test_a_label_that_is_no_number_and_no_name(label: str) -> None:
    with pytest.raises(ValidationError):
        Sample(name="a", files=("a.root",), label=label)


KNOWN = sorted({key for model in SECTIONS.values() for key in model.model_fields})


@pytest.mark.parametrize(
    ("place", "key"),
    [(place, key) for place, model in SECTIONS.items() for key in KNOWN if key not in model.model_fields],
)
def test_a_suggestion_is_valid_where_it_points(place: tuple[str, ...], key: str) -> None:
    """A key of another section is not suggested as if it were one of this."""
    data = json.loads(json.dumps(BASE))
    put(data, (*place, key), "x")
    with pytest.raises(ValidationError) as caught:
        Workflow.model_validate(data)
    error = config_error(caught.value, "w.yaml", Workflow)
    assert isinstance(error, ConfigError)
    if error.what != f"unknown key {key!r}" or not error.hint or "did you mean" not in error.hint:
        return
    suggested = error.hint.split("'")[1]
    *above, last = suggested.split(".")
    where = tuple(above) if above else place
    assert last in SECTIONS[where].model_fields
