"""Equal values are spelled the same way, and words for missing numbers and dates are recognized."""

from __future__ import annotations

import pytest

from pmmds_core.contracts.cells import Spelling, category_of, is_date, number_of, spelling_of


@pytest.mark.parametrize(
    ("categories", "spelling"),
    [
        (["true", "false"], "boolean"),
        (["True", "False"], "boolean"),
        (["1", "2", "3.5"], "decimal"),
        (["1", "1.0"], "trimmed"),
        (["007", "1"], "trimmed"),
        (["a", "1"], "trimmed"),
        (["true", "True"], "trimmed"),
        ([" a", "b"], "exact"),
        ([""], "exact"),
        ([], "trimmed"),
    ],
)
def test_the_spelling_rule_is_inferred_from_the_categories(categories: list[str], spelling: Spelling) -> None:
    assert spelling_of(categories) == spelling


@pytest.mark.parametrize(
    ("text", "spelling", "category"),
    [
        (" a\u00a0", "trimmed", "a"),
        ("", "trimmed", None),
        (" \t", "decimal", None),
        ("1.0", "decimal", "1"),
        ("+1.50", "decimal", "1.5"),
        ("-0.0", "decimal", "0"),
        ("1.", "decimal", "1"),
        ("007", "decimal", "007"),
        ("1e3", "decimal", "1e3"),
        ("TRUE", "boolean", "true"),
        ("1.0", "boolean", "true"),
        ("0", "boolean", "false"),
        ("maybe", "boolean", "maybe"),
        ("NA", "boolean", None),
        ("NA", "trimmed", "NA"),
        (" a ", "exact", " a "),
        ("", "exact", ""),
    ],
)
def test_equal_values_map_to_the_same_category(text: str, spelling: Spelling, category: str | None) -> None:
    assert category_of(text, spelling) == category


@pytest.mark.parametrize("word", ["NA", "n/a", " NULL ", "None", "NaN", "#N/A", ".", "-", "?", "<NA>", "", "#DIV/0!"])
def test_common_words_for_missing_numbers_become_nan(word: str) -> None:
    number = number_of(word)
    assert number is not None
    assert number != number


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-13", "2026-06-13 13:00:00", "2026-06-13T13:00:00.250Z", "2026-06-13T13:00+02:00", "2026/6/13",
        "13.06.2026", "13.6.2026 8:05", "6/13/26", "13/06/2026", "5 Mar 2026", "Mar 5, 2026", "05-MAR-26",
        "2026-W25", "2026W253", "2026-06", "2026Q1", "2026-q3", "13:05", "1:05 PM",
    ],
)  # fmt: skip
def test_dates_times_and_periods_are_recognized(text: str) -> None:
    assert is_date(text)


@pytest.mark.parametrize("text", ["1.2.34", "10.0.0.1", "2026", "20260613", "1-2", "5-10", "555-12-3456", "1.5", "May"])
def test_version_numbers_and_codes_are_not_recognized_as_dates(text: str) -> None:
    assert not is_date(text)
