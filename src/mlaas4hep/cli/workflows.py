"""The workflow that a command line describes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mlaas4hep.cli.options import Format
    from mlaas4hep.config.sections.section import Section
    from mlaas4hep.config.workflow import Workflow

__all__ = ["Original", "configured", "noticed", "validated"]

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


@dataclass(frozen=True)
class Original:
    """The options of the original's workflow.py that describe a workflow; None where one is not given."""

    files: str | None = None
    labels: str | None = None
    model: Path | None = None
    params: Path | None = None
    preproc: Path | None = None
    specs: Path | None = None
    dtype: Format | None = None


def configured(configuration: Path | None, original: Original, fout: Path, *, missing: bool = False) -> Workflow:
    """Return the workflow of a YAML file or of the original's options; without a name it has that of the bundle.

    ``missing``: local data files that do not exist are no error yet.

    Raises:
        ConfigError: an option is missing or one too many, or a file is not valid.
    """
    from mlaas4hep.config.legacy.load import read_legacy
    from mlaas4hep.config.yaml_file import read_yaml
    from mlaas4hep.errors import ConfigError

    text = os.fsencode(fout.name).decode(errors="replace")
    name = text.removesuffix(".tar.gz").removesuffix(".tgz") or "model"
    given = [option for option, value in vars(original).items() if value is not None]
    if configuration is not None:
        if given:
            options = ", ".join(f"--{option}" for option in given)
            raise ConfigError(f"{configuration} and {options} cannot be given together", hint="use one or the other")
        workflow = read_yaml(configuration, missing=missing)
        return workflow if "name" in workflow.model_fields_set else workflow.model_copy(update={"name": name})
    files, labels, model = original.files, original.labels, original.model
    if files is None or labels is None or model is None:
        absent = ", ".join(f"--{option}" for option in ("files", "labels", "model") if option not in given)
        raise ConfigError(f"{absent} not given", hint="name a workflow.yaml, or give --files, --labels and --model")
    dtype = original.dtype.value if original.dtype else None
    return read_legacy(
        files, labels, original.params, model, original.preproc, original.specs, dtype, name, missing=missing
    )


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
