"""Rows of the report's tables: cutflow, input files, features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlaas4hep.features.cutflow import Cutflow, total
from mlaas4hep.features.layout import FeatureBranch
from mlaas4hep.features.statistics.specs import Specs
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.training.report.data import CutflowRow, FeatureRow, FileRow

__all__ = ["cutflow_rows", "feature_row", "file_rows"]


def cutflow_rows(cutflows: Mapping[str, Cutflow], files: Sequence[DataFile]) -> list[CutflowRow]:
    """Return the cutflow of all files together, each line with the share of every sample."""
    if not cutflows:
        return []
    samples: dict[str, Cutflow] = {}
    for file in sorted(files, key=lambda file: file.index):
        found, name = cutflows.get(file.path), file.sample.name
        if found is not None:
            samples[name] = samples[name].merge(found) if name in samples else found
    tables = {name: cutflow.table() for name, cutflow in samples.items()}
    return [
        CutflowRow(
            row.name,
            row.events,
            row.weighted,
            {path: (table[i].events, table[i].weighted) for path, table in tables.items()},
        )
        for i, row in enumerate(total(cutflows).table())
    ]


def file_rows(files: Sequence[DataFile]) -> list[FileRow]:
    """Return the input files in the order the user gave them."""
    return [
        FileRow(
            file.path,
            file.sample.name,
            "" if file.sample.label is None else str(file.sample.label),
            file.source.entries,
            file.sample.weight,
        )
        for file in sorted(files, key=lambda file: file.index)
    ]


def feature_row(branch: FeatureBranch, specs: Specs) -> FeatureRow:
    """Return the row of a branch: what the training events hold, and how it is normalised."""
    values = specs.branches[branch.name].values
    raw = f"v - {branch.origin!r}" if branch.origin else "v"
    return FeatureRow(
        branch=branch.name,
        kind=branch.kind,
        length=branch.length,
        minimum=values.low,
        maximum=values.high,
        mean=values.mean,
        std=values.std,
        missing=values.missing + values.infinite,
        normalisation=f"({raw} - {branch.offset:.6g}) * {branch.scale:.6g}",
    )
