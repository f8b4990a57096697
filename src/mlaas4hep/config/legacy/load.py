"""The workflow in the original's files: files.txt, labels.txt, params.json, preproc.json and model.py."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from mlaas4hep.config.legacy.lists import read_files, read_labels
from mlaas4hep.config.legacy.params import Parameters, read_params
from mlaas4hep.config.legacy.preproc import Preprocessing, read_preproc
from mlaas4hep.config.legacy.samples import CMS_REDIRECTOR, count, default_redirector, pair
from mlaas4hep.config.places import absolute, home, is_file
from mlaas4hep.config.problems import ConfigWarning, Place, config_error
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ConfigError
from mlaas4hep.formats import FORMATS

__all__ = ["CMS_REDIRECTOR", "preprocessed", "read_legacy"]


def read_legacy(
    files: str,
    labels: str,
    params: Path | None,
    model: Path,
    preproc: Path | None = None,
    specs: Path | None = None,
    dtype: str | None = None,
    name: str = "model",
    *,
    missing: bool = False,
) -> Workflow:
    """Read and check a workflow given in the original's form.

    Args:
        files: file with one data file a line, or paths separated by commas. Relative paths start in the working
            folder; if there is no such file, in the folder of the list. URLs and logical names stay as they are.
        labels: file with one label per line in the same order, labels separated by commas, or the name of a branch.
        params: JSON file of parameters; None: ``params.json`` in the working folder or that of the model file, else
            the defaults. Which of them is told as a `ConfigWarning`.
        model: Python file that defines ``model``.
        preproc: JSON file of new branches and cuts, or Python file that defines ``preprocessing``.
        specs: specs computed earlier.
        dtype: format of the data files; None: by their suffix.
        name: of the model, unless `params` has one.
        missing: local data files that do not exist are no error yet.

    Returns:
        A workflow with one sample a file, named after the file.

    Raises:
        ConfigError: anything in `params` or `preproc` that means nothing.
        LabelError: not one label per file.
        FileReadError: a file named here or in the list does not exist.
    """
    if params is None:
        params = _params_beside(model)
    parameters = read_params(params)
    preprocessing = read_preproc(preproc) if preproc else None
    if dtype is not None and dtype not in FORMATS:
        raise ConfigError(f"unknown format {dtype!r}", where="--dtype", hint=f"it can be {', '.join(FORMATS)}")
    sections = parameters.sections
    data_files = read_files(
        files,
        sections["reading"].get("redirector"),
        missing=missing or sections["reading"].get("on_bad_file") == "skip",
    )
    redirector = default_redirector(path for _, path in data_files)
    if redirector:
        sections["reading"].setdefault("redirector", redirector)
    given = read_labels(labels)

    sections.setdefault("name", name)
    samples = pair(data_files, given)
    weights = _weights([written for written, _ in data_files], [sample["name"] for sample in samples], parameters)
    sections["samples"] = [{**sample, "weight": weight} for sample, weight in zip(samples, weights, strict=True)]
    sections["reading"]["format"] = dtype
    sections["training"]["model"] = absolute(model, Path.cwd())
    sections["specs"] = absolute(specs, Path.cwd()) if specs else None
    if isinstance(sections.get("histograms"), str):
        sections["histograms"] = absolute(sections["histograms"], Path.cwd())
    if isinstance(sections.get("reading", {}).get("cache"), str):
        sections["reading"]["cache"] = absolute(sections["reading"]["cache"], Path.cwd())
    if given.branch:
        if sections.setdefault("label_branch", given.branch) != given.branch:
            _two_labels(parameters, f"{given.branch!r} from {given.where}")
    elif given.values and "label_branch" in sections:
        _two_labels(parameters, f"one label per file from {given.where}")

    def where(place: Place) -> str:
        return parameters.where(place) or (f"{given.where}: label {int(place[1]) + 1}" if len(place) > 1 else files)

    try:
        workflow = Workflow.model_validate(sections)
    except ValidationError as problem:
        raise config_error(problem, parameters.path, where=where) from problem
    return preprocessed(workflow, preprocessing, str(preproc))


def _params_beside(model: Path) -> Path | None:
    """The params.json that is taken where none is named."""
    for folder in (Path.cwd(), home(model).absolute().parent):
        if is_file(folder / "params.json"):
            warnings.warn(f"--params is not given: {folder / 'params.json'} is taken", ConfigWarning, stacklevel=3)
            return folder / "params.json"
    warnings.warn("--params is not given, and there is no params.json: defaults are taken", ConfigWarning, stacklevel=3)
    return None


def _two_labels(parameters: Parameters, other: str) -> None:
    raise ConfigError(
        "labels are given twice", where=f"{parameters.path}: label_branch", hint=f"there is also {other}; keep one"
    )


def _weights(written: Sequence[str], names: Sequence[str], parameters: Parameters) -> list[Any]:
    given, where = parameters.weights, f"{parameters.path}: weights"
    if given is None:
        return [1.0] * len(names)
    if isinstance(given, list):
        if len(given) != len(names):
            what = f"{count(len(given), 'weight')} for {count(len(names), 'file')}"
            raise ConfigError(what, where=where, hint="give one weight per file, in the same order")
        return given
    if not isinstance(given, dict):
        raise ConfigError(f"should be a list or an object, is {given!r}", where=where, hint="give one weight per file")
    used: set[str] = set()
    weights = []
    plain = [PurePosixPath(file).name for file in written]
    for file, base, name in zip(written, plain, names, strict=True):
        keys = [file, base, name] if plain.count(base) == 1 else [file, name]
        key = next((key for key in keys if key in given), None)
        if key is None:
            raise ConfigError(f"no weight for file {file}", where=where, hint=f"add {name!r}")
        used.add(key)
        weights.append(given[key])
    unused = [key for key in given if key not in used]
    if unused:
        raise ConfigError(f"no file is called {unused[0]!r}", where=where, hint=f"the files are {', '.join(names)}")
    return weights


def preprocessed(workflow: Workflow, preprocessing: Preprocessing | None, path: str) -> Workflow:
    """Put the new branches and cuts of the preproc.json before those of the parameters, or name the Python file.

    Raises:
        ConfigError: a new branch is there twice.
    """
    variables, cuts, exclude = workflow.variables, workflow.selection, workflow.features.exclude
    if preprocessing and preprocessing.function:
        return workflow.model_copy(update={"preprocessing": preprocessing.function})
    if preprocessing:
        taken = {variable.name for variable in variables}
        for variable in preprocessing.variables:
            if variable.name in taken:
                raise ConfigError(
                    "is also one of the `variables` in the parameters", where=f"{path}: new_branch.{variable.name}"
                )
        variables = (*preprocessing.variables, *variables)
        cuts = (*preprocessing.cuts, *cuts)
        exclude = (*exclude, *preprocessing.exclude)
    features = workflow.features.model_copy(update={"exclude": exclude})
    return workflow.model_copy(update={"variables": variables, "selection": cuts, "features": features})
