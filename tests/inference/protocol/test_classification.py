from __future__ import annotations

import numpy as np
import pytest

from mlaas4hep.errors.serving import BadRequestError
from mlaas4hep.inference.protocol.classification import classify

SCORES = np.array([[0.25, 0.5, 0.125], [0.75, 0.0, 0.25]], np.float32)


def test_the_largest_of_each_row_with_names() -> None:
    result = classify("scores", SCORES, 2, ("a", "b", "c"), batched=True)
    assert result.tolist() == [["0.500000:1:b", "0.250000:0:a"], ["0.750000:0:a", "0.250000:2:c"]]


def test_without_names_and_with_more_asked_for_than_there_are() -> None:
    result = classify("scores", SCORES[:1], 9, (), batched=True)
    assert result.tolist() == [["0.500000:1", "0.250000:0", "0.125000:2"]]


def test_equal_scores_keep_their_order() -> None:
    assert classify("scores", np.ones((1, 3)), 3, (), batched=True).tolist() == [
        ["1.000000:0", "1.000000:1", "1.000000:2"]
    ]


def test_a_model_without_rows_and_no_rows_at_all() -> None:
    assert classify("scores", SCORES[0], 1, (), batched=False).tolist() == ["0.500000:1"]
    assert classify("scores", SCORES[:0], 1, (), batched=True).shape == (0, 1)


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", True, None])
def test_a_number_of_classes_that_is_none(number: object) -> None:
    with pytest.raises(BadRequestError, match="output 'scores': classification must be a number of classes from 1 on"):
        classify("scores", SCORES, number, (), batched=True)


def test_strings_cannot_be_classified() -> None:
    with pytest.raises(BadRequestError, match="output 'labels': only numbers can be classified"):
        classify("labels", np.array([["a"]], object), 1, (), batched=True)
