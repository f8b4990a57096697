"""Labels that cannot be learnt from are found in the first pass."""

from __future__ import annotations

import numpy as np

from mlaas4hep.errors import LabelError
from mlaas4hep.streaming.files import DataFile
from mlaas4hep.streaming.scan.pipeline import Selected

__all__ = ["check_labels"]


def check_labels(file: DataFile, selected: Selected, branch: str | None, *, numbers: bool) -> None:
    """See that the labels of used events, of the label branch, are finite.

    Args:
        file: of the events.
        selected: the events.
        branch: the label branch.
        numbers: whether only numbers are labels, as in regression.

    Raises:
        LabelError: a label is NaN or infinite, or is not a number where one is needed.
    """
    label = selected.label
    if label is None:
        return
    if label.dtype.kind not in "biuf":
        if numbers and len(label):
            raise LabelError(
                f"label {str(label[0])!r} of entry {selected.entry[0]} is not a number, but the task is regression",
                where=file.path,
                hint="use a branch of numbers as label",
            )
        return
    wrong = np.flatnonzero(~np.isfinite(label))
    if len(wrong):
        raise LabelError(
            f"label of entry {selected.entry[wrong[0]]} is {label[wrong[0]]}",
            where=file.path,
            hint=f"cut such events away, e.g. with the selection isfinite({branch})",
        )
