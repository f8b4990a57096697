"""Names of models, versions and labels."""

from __future__ import annotations

import pytest

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.repository.names import is_label, is_model, is_version, model_name, number_of


@pytest.mark.parametrize("name", ["a", "_x", "9", "Higgs-v2.1_b", "a" * 128])
def test_names_of_models(name: str) -> None:
    assert is_model(name)
    assert model_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "a\0", "ü", "a" * 129, "a\\b"])
def test_what_is_no_name(name: str) -> None:
    assert not is_model(name)
    with pytest.raises(BadRequestError, match="cannot be the name of a model"):
        model_name(name)


@pytest.mark.parametrize("version", ["1", "10", "999999999999999"])
def test_versions(version: str) -> None:
    assert is_version(version)
    assert number_of(version) == int(version)


@pytest.mark.parametrize("version", ["", "0", "01", "-1", "1.0", "v1", "1" * 16, "1\n", "²", "..", "stable"])
def test_what_is_no_version(version: str) -> None:
    assert not is_version(version)
    with pytest.raises(BadRequestError, match="cannot be a version; versions are numbers"):
        number_of(version)


def test_labels_are_never_numbers() -> None:
    assert is_label("stable")
    assert is_label("_a.b-1")
    assert not any(map(is_label, ["1", "1a", "", "-a", "a b", "a/b", "a" * 65]))
