"""Refusals of models that do not fit the task."""

from __future__ import annotations

from mlaas4hep.errors import ModelFileError
from mlaas4hep.training.events.base import Task

__all__ = ["check_kind", "check_outputs"]


def check_kind(model: object, task: Task, *, classifier: bool, regressor: bool) -> None:
    """Refuse a classifier for a regression and the reverse.

    Raises:
        ModelFileError: with the name of the model's class.
    """
    wanted = "regressor" if task == "regression" else "classifier"
    if not (regressor if task == "regression" else classifier):
        raise ModelFileError(
            f"{type(model).__name__} is not a {wanted}, the task is {task}", hint=f"return a {wanted} from model()"
        )


def check_outputs(model: str, outputs: int, task: Task, classes: int) -> None:
    """Refuse a number of outputs that does not fit the task.

    Raises:
        ModelFileError: `model`, e.g. "the Keras model", has another number.
    """
    allowed = {"binary": (1, 2), "regression": (1,), "multiclass": (classes,)}[task]
    if outputs not in allowed:
        wanted = " or ".join(str(number) for number in allowed)
        what = f"{classes} classes" if task == "multiclass" else f"a {task} task"
        raise ModelFileError(f"{model} has {outputs} outputs, {what} needs {wanted}", hint="change its last layer")
