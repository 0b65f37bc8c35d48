"""Numbers with nouns."""

from __future__ import annotations

import pytest

from pmmds_core.runtime.plurals import counted, plural


@pytest.mark.parametrize(("n", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (3000, "3,000 rows")])
def test_only_the_number_one_uses_the_singular(n: int, text: str) -> None:
    assert counted(n, "row") == text


def test_irregular_plurals_can_be_specified() -> None:
    assert counted(2, "category", "categories") == "2 categories"
    assert counted(1, "label has", "labels have") == "1 label has"
    assert plural(1, "was", "were") == "was"
