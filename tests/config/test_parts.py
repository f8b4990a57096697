"""Parts of a workflow that rooms below take."""

from __future__ import annotations

import pickle

from mlaas4hep.config import Cut, Split, Variable, Workflow

WORKFLOW = Workflow.model_validate(
    {
        "samples": [{"name": "a", "files": ["a.root"]}],
        "label_branch": "kind",
        "variables": {"ht": "sum(Jet_pt)"},
        "selection": "ht > 30",
        "features": {"include": ["Jet_*"], "exclude": ["Jet_eta"], "missing": [-999], "length": {"Jet_pt": 4}},
        "weights": {"branch": "w", "negative": "drop"},
        "split": {"validation": 0.3, "seed": 7},
        "training": {"model": "model.py"},
    }
)


def test_event_settings() -> None:
    found = WORKFLOW.event_settings
    assert found.variables == (Variable(name="ht", expression="sum(Jet_pt)"),)
    assert found.selection == (Cut(name="ht > 30", expression="ht > 30"),)
    assert (found.include, found.exclude, found.missing) == (("Jet_*",), ("Jet_eta",), (-999.0,))
    assert (found.label_branch, found.weight_branch, found.negative) == ("kind", "w", "drop")
    assert found.split == Split(validation=0.3, seed=7)
    assert found.unsplit().split.train == 1.0


def test_the_workflow_and_its_parts_can_be_pickled() -> None:
    for part in (WORKFLOW, WORKFLOW.event_settings, *(getattr(WORKFLOW, name) for name in Workflow.model_fields)):
        assert pickle.loads(pickle.dumps(part)) == part
