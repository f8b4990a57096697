"""The workflow that a command line describes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mlaas4hep.cli.options import Format
    from mlaas4hep.config.sections.section import Section
    from mlaas4hep.config.workflow import Workflow

__all__ = ["configured", "noticed", "validated"]

Validated = TypeVar("Validated", bound="Section")


def validated(section: type[Validated], settings: Mapping[str, object]) -> Validated:
    """Return the workflow, or a section of it, that options give.

    Raises:
        ConfigError: an option is not valid.
    """
    from pydantic import ValidationError

    from mlaas4hep.config.problems import config_error

    try:
        return section.model_validate(settings)
    except ValidationError as error:
        raise config_error(error, "options", section) from error


def configured(
    configuration: Path | None,
    files: str | None,
    labels: str | None,
    model: Path | None,
    params: Path | None,
    preproc: Path | None,
    specs: Path | None,
    dtype: Format | None,
    fout: Path,
) -> Workflow:
    """Return the workflow of a YAML file or of the original's options; without a name it has that of the bundle.

    Raises:
        ConfigError: an option is missing or one too many, or a file is not valid.
    """
    from mlaas4hep.config.yaml_file import read_yaml
    from mlaas4hep.errors import ConfigError

    text = os.fsencode(fout.name).decode(errors="replace")
    name = text.removesuffix(".tar.gz").removesuffix(".tgz") or "model"
    if configuration is None:
        return _legacy(files, labels, model, params, preproc, specs, dtype, name)
    options = {
        "--files": files, "--labels": labels, "--model": model, "--params": params, "--preproc": preproc,
        "--specs": specs, "--dtype": dtype,
    }  # fmt: skip
    extra = [option for option, value in options.items() if value is not None]
    if extra:
        raise ConfigError(
            f"{configuration} and {', '.join(extra)} cannot be given together", hint="use one or the other"
        )
    workflow = read_yaml(configuration)
    return workflow if "name" in workflow.model_fields_set else workflow.model_copy(update={"name": name})


def _legacy(
    files: str | None,
    labels: str | None,
    model: Path | None,
    params: Path | None,
    preproc: Path | None,
    specs: Path | None,
    dtype: Format | None,
    name: str,
) -> Workflow:
    """The workflow that the original's options describe.

    Raises:
        ConfigError: an option is missing, or a file is not valid.
    """
    from mlaas4hep.config.legacy.load import read_legacy
    from mlaas4hep.errors import ConfigError

    given = {"--files": files, "--labels": labels, "--model": model}
    missing = [option for option, value in given.items() if value is None]
    if missing or files is None or labels is None or model is None:
        raise ConfigError(
            f"{', '.join(missing)} not given", hint="name a workflow.yaml, or give --files, --labels and --model"
        )
    return read_legacy(files, labels, params, model, preproc, specs, dtype.value if dtype else None, name)


@contextmanager
def noticed() -> Iterator[list[str]]:
    """Collect what reading the configuration warns of, as text; all other warnings go on as they are."""
    from mlaas4hep.config.problems import ConfigWarning

    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConfigWarning)
        yield found
    for warning in caught:
        if issubclass(warning.category, ConfigWarning):
            found.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
