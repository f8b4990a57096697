"""Where the events are, and how they are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from mlaas4hep.config.fields import BadLimit, Bytes, Count, Files, FormatName, LabelValue, Name, Names, Real, Whole
from mlaas4hep.config.sections.remote import Remote
from mlaas4hep.config.sections.section import Section

__all__ = ["Reading", "Sample"]


_MOST_THREADS = 4


class Sample(Section):
    """Files that belong together: one process, one label, one weight."""

    name: Name = Field(description="Name of the sample, shown in reports.")
    files: Files = Field(
        min_length=1,
        description="Paths, URLs, or logical names behind `redirector`; folders and patterns such as "
        "`root://host//store/*/nano_*.root`; `file.root:tree` names a tree.",
    )
    label: LabelValue | None = Field(
        default=None, description="Class name or number; for regression a number. None: `label_branch` holds it."
    )
    weight: Real = Field(
        default=1.0,
        description="Factor for every event, e.g. cross-section x luminosity / events.",
    )
    tree: Name | None = Field(
        default=None, description="Path of the tree in its files, if it is not that of the workflow."
    )


class Reading(Section):
    """How events are read. It changes no feature and no split; chunks decide in which order a network sees events."""

    chunk_size: Count = Field(default=10_000, description="Events per chunk; -1: all in one.")
    workers: Whole | None = Field(default=None, ge=1, description="Reading threads. Default: one per core, at most 4.")
    memory_limit: Bytes | None = Field(
        default=None, description="Bytes for event data, or `2 GB`; default a quarter of the machine's."
    )
    cache: Path | None = Field(
        default=None,
        description="Folder that keeps specs and feature columns for later epochs and trainings. Default: none.",
    )
    cache_limit: Bytes = Field(default=20_000_000_000, description="Bytes that the folder may hold, or `50 GB`.")
    redirector: str | Names | None = Field(
        default=None,
        description="Prefix for logical names (/store/...), e.g. root://host; several in order of preference.",
    )
    remote: Remote = Remote()
    on_bad_file: Literal["fail", "skip"] = Field(
        default="fail", description="End with an error, or go on without the events of files that cannot be used."
    )
    max_bad: BadLimit = Field(
        default="5%", description="Files that may be left out with `on_bad_file: skip`: a number, or `5 %` of all."
    )
    format: FormatName | None = Field(default=None, description="Format of the files; default: by their suffix.")
    names: Names = Field(
        default=(), description="Names of the columns of CSV files without a header line. Default: the first line."
    )
    separator: Literal[",", ";", "\t", "|", " "] | None = Field(
        default=None, description="Separator of the columns in CSV files. Default: detected from the file."
    )

    @model_validator(mode="after")
    def _different_names(self) -> Reading:
        twice = next((name for name in self.names if self.names.count(name) > 1), None)
        if twice is not None:
            msg = f"two columns are named {twice}"
            raise ValueError(msg)
        return self

    @property
    def redirectors(self) -> tuple[str, ...]:
        """Return the prefixes for logical names in order of preference."""
        given = self.redirector or ()
        return tuple(given.split(",")) if isinstance(given, str) else given

    @property
    def threads(self) -> int:
        """Number of threads that read."""
        return self.workers or min(_MOST_THREADS, len(os.sched_getaffinity(0)))
