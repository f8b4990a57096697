"""Files with their labels in the original's form, without parameters."""

from __future__ import annotations

from mlaas4hep.config.legacy_lists import read_files, read_labels, sample_names
from mlaas4hep.config.workflow import Sample
from mlaas4hep.errors import LabelError

__all__ = ["read_samples"]


def read_samples(files: str, labels: str, redirector: str | None = None) -> tuple[tuple[Sample, ...], str | None]:
    """One sample a file, and the label branch if labels are given as one.

    Raises:
        LabelError: not one label a file.
        FileReadError: a file named here or in the list does not exist.
    """
    paths = [path for _, path in read_files(files, redirector)]
    given = read_labels(labels)
    if not given.branch and len(given.values) != len(paths):
        raise LabelError(
            f"{len(given.values)} labels for {len(paths)} files",
            where=given.where,
            hint="give one label a file, in the same order",
        )
    values = given.values if not given.branch else (None,) * len(paths)
    samples = (
        Sample(name=name, files=(path,), label=label, weight=1.0)
        for name, path, label in zip(sample_names(paths), paths, values, strict=True)
    )
    return tuple(samples), given.branch or None
