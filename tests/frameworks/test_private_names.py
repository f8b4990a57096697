"""What the frameworks do not promise, and is used all the same: a new version of one that changes it fails here."""

from __future__ import annotations

import numpy as np


def test_histogram_boostings_keep_their_thresholds_in_nodes() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    x = np.arange(100.0).reshape(-1, 1)
    model = HistGradientBoostingClassifier(max_iter=2).fit(x, x[:, 0] > 50)
    for trees in model._predictors:
        for tree in trees:
            assert tree.nodes["num_threshold"].dtype == np.float64
            assert set(tree.nodes["is_leaf"]) == {0, 1}


def test_keras_defines_what_it_offers_below_keras_src() -> None:
    import keras

    for thing in (keras.layers.Dense, keras.Model, keras.initializers.Zeros, keras.activations.relu, keras.ops.exp):
        assert thing.__module__.startswith("keras.src.")


def test_arguments_of_an_exported_program_have_the_structure_of_torch() -> None:
    import torch

    class Two(torch.nn.Module):
        def forward(self, pair: tuple[torch.Tensor, torch.Tensor], *, scale: torch.Tensor) -> torch.Tensor:
            return (pair[0] + pair[1]) * scale

    a, b, c = torch.ones(2), torch.zeros(2), torch.ones(2)
    program = torch.export.export(Two(), ((a, b),), {"scale": c})
    arguments, named = program.call_spec.in_spec.unflatten([a, b, c])
    assert [type(part) for part in arguments] == [tuple]
    assert list(named) == ["scale"]
