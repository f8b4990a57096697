"""What was found about several branches is one line for each kind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.errors.findings import NAMED, Findings, few

KINDS = ["missing", "infinite", "padding"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.text("abc", min_size=1, max_size=3), st.sampled_from(["", "1"]))))
def test_a_line_for_each_kind_with_few_names(found: list[tuple[str, str, str]]) -> None:
    findings = Findings()
    for kind, name, detail in found:
        findings.add(kind, name, detail)
    lines = findings.lines()
    assert [line.split(": ")[0] for line in lines] == list(dict.fromkeys(kind for kind, _, _ in found))
    for line in lines:
        kind, told = line.split(": ")
        names = [f"{name} ({detail})" if detail else name for other, name, detail in found if other == kind]
        named, _, more = told.partition(" and ")
        assert named.split(", ") == names[:NAMED]
        assert more == (f"{len(names) - NAMED} more" if len(names) > NAMED else "")


def test_no_name_at_all() -> None:
    assert few([]) == "none at all"
