"""The workflow in one YAML file, with the structure of `Workflow`."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from mlaas4hep.config.json_file import read_text
from mlaas4hep.config.places import absolute, expand
from mlaas4hep.config.problems import config_error
from mlaas4hep.config.sections.data import Sample
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.config.yaml_text import load_yaml
from mlaas4hep.errors import ConfigError

__all__ = ["read_yaml"]


def read_yaml(path: Path, *, missing: bool = False) -> Workflow:
    """Read and check a workflow.

    Relative paths (files of the samples, model, preprocessing, specs, folders of histograms and cache) are relative to
    the YAML file and come out absolute. Glob patterns of local files are expanded, sorted by name. URLs and logical
    names stay as they are.

    Args:
        path: the YAML file.

        missing: local files that do not exist are no error yet.

    Raises:
        ConfigError: a syntax error, an unknown or missing key, a wrong value.
        FileReadError: the YAML file or a local file it names does not exist, or a pattern matches nothing.
    """
    data = load_yaml(read_text(path), str(path))
    if not isinstance(data, dict):
        what = "is empty" if data is None else "should be a mapping of keys to values"
        raise ConfigError(what, where=str(path), hint="it needs at least `samples`")
    try:
        workflow = Workflow.model_validate(data)
    except ValidationError as problem:
        raise config_error(problem, path, Workflow) from problem
    return _with_places(workflow, path, missing=missing)


def _with_places(workflow: Workflow, path: Path, *, missing: bool) -> Workflow:
    skips = missing or workflow.reading.on_bad_file == "skip"
    folder = path.absolute().parent

    def files_of(position: int, sample: Sample) -> tuple[str, ...]:
        mentioned = f"{path}: samples.{position}.files"
        listed = (
            expand(name, folder, next(iter(workflow.reading.redirectors), None), mentioned, missing=skips)
            for name in sample.files
        )
        return tuple(file for files in listed for file in files)

    samples = tuple(
        sample.model_copy(update={"files": files_of(position, sample)})
        for position, sample in enumerate(workflow.samples)
    )
    training = workflow.training
    if training is not None:
        training = training.model_copy(update={"model": absolute(training.model, folder)})
    reading = workflow.reading
    if reading.cache is not None:
        reading = reading.model_copy(update={"cache": absolute(reading.cache, folder)})
    return workflow.model_copy(
        update={
            "samples": samples,
            "reading": reading,
            "training": training,
            "histograms": absolute(workflow.histograms, folder) if workflow.histograms else None,
            "specs": absolute(workflow.specs, folder) if workflow.specs else None,
            "preprocessing": absolute(workflow.preprocessing, folder) if workflow.preprocessing else None,
        }
    )
