"""How good a trained model is: metrics, overtraining, and which branches matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlaas4hep.frameworks.onnx.scoring import OnnxScorer
from mlaas4hep.streaming.monitor import Monitor
from mlaas4hep.training.fitting.fit import Trained
from mlaas4hep.training.judging.assess import ROWS_FOR_IMPORTANCE, Assessment
from mlaas4hep.training.judging.importance import ScoreFunction, affordable, permutation_importance
from mlaas4hep.training.judging.overtraining import overtraining
from mlaas4hep.training.metrics.compute import evaluate

__all__ = ["Judgement", "judge", "threshold_of"]

ROWS_AT_A_TIME = 1024
"""For importance: what a network makes of this many rows stays in the processor's caches."""


@dataclass(frozen=True)
class Judgement:
    """What was found of a trained model.

    Attributes:
        assessment: scores of all events, of which the figures are.
        metrics: the content of ``metrics.json``.
        importance: one dict a branch that was tried, the most important first.
    """

    assessment: Assessment
    metrics: dict[str, Any]
    importance: list[dict[str, Any]]


def threshold_of(trained: Trained, chosen: float | None, monitor: Monitor) -> float:
    """Return the score from which an event counts as signal: the user's, else that of the scores.

    Warns of one that is outside of the range of probabilities.
    """
    threshold = trained.output.threshold if chosen is None else chosen
    if trained.output.kind == "probability" and not 0.0 <= threshold <= 1.0:
        monitor.warn(
            f"training.threshold is {threshold:g}, but the scores are probabilities, which it does not separate"
        )
    return threshold


def judge(
    trained: Trained,
    assessment: Assessment,
    monitor: Monitor,
    *,
    threshold: float,
    core: bytes | None,
) -> Judgement:
    """Compute the figures of a trained model.

    Args:
        trained: the model; its settings say of how many branches the importance is wanted.
        assessment: scores of all events.
        monitor: told about progress, and warned of overtraining.
        threshold: binary: score from which an event counts as signal.
        core: the model as ONNX for transformed columns, if there is one.
    """
    training, labels = trained.training, trained.labelled.labels
    metrics = evaluate(
        labels.task,
        labels.names,
        assessment.parts,
        threshold=threshold,
        output=trained.output.kind,
        totals=trained.labelled.full_sums if labels.task == "binary" else None,
        seed=training.seed,
    )
    differ = overtraining(metrics)
    if differ:
        monitor.warn(differ)
    layout = trained.choice.layout
    if not training.importance:
        return Judgement(assessment, metrics, [])
    most_rows, most = affordable(ROWS_FOR_IMPORTANCE, layout)
    most = most if training.importance == -1 else min(training.importance, len(layout.branches))
    rows = assessment.importance_rows(most_rows)
    if most < len(layout.branches):
        monitor.note(f"importance: the {most} branches of the groups that matter most, of {len(layout.branches)}")
    with monitor.stage("importance", most, "branches") as advance:
        importance = permutation_importance(
            _score_function(trained, core, training.threads),
            layout.transform(rows.raw),
            rows.y,
            rows.weight,
            layout,
            labels.task,
            seed=training.seed,
            decision=trained.output.kind == "decision",
            most=most,
            advance=advance,
        )
    return Judgement(assessment, metrics, importance)


def _score_function(trained: Trained, core: bytes | None, threads: int | None) -> ScoreFunction:
    """From transformed rows to scores: for networks by ONNX Runtime, which is many times faster on few rows."""
    if core is not None and trained.backend.networks:
        return OnnxScorer(core, threads=threads, batch=ROWS_AT_A_TIME).scores
    return trained.predict
