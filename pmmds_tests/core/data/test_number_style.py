"""Localized and decorated number formats are detected per column; ambiguous formats are not guessed."""

from __future__ import annotations

import pytest

from pmmds_core.data.number_style import NumberStyle, styles_of


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1.5", "2", " -3e2 "], [1.5, 2.0, -300.0]),
        (["310,0", "1653,25", "-5,5"], [310.0, 1653.25, -5.5]),
        (["1.234,56", "12,5"], [1234.56, 12.5]),
        (["1,234.50", "12"], [1234.5, 12.0]),
        (["12,34,567.5"], [1234567.5]),
        (["1 234,5", "12"], [1234.5, 12.0]),
        (["1\u00a0234,5", "1\u202f000,0"], [1234.5, 1000.0]),
        (["1'234.5"], [1234.5]),
        (["$1,234.50", "-$5", "$-6"], [1234.5, -5.0, -6.0]),
        (["€ 5,00", "€ 1.200,00"], [5.0, 1200.0]),
        (["5,00 €", "12,50 €"], [5.0, 12.5]),
        (["USD 5", "USD 7.25"], [5.0, 7.25]),
        (["12 %", "3%", "0"], [12.0, 3.0, 0.0]),
        (["12kg", "1300kg"], [12.0, 1300.0]),
        (["(12.5)", "3"], [-12.5, 3.0]),
        (["−5", "7"], [-5.0, 7.0]),
        (["0,123", "0,5"], [0.123, 0.5]),
    ],
)
def test_a_column_in_a_single_number_format_is_read_as_numbers(texts: list[str], numbers: list[float]) -> None:
    (style,) = styles_of(texts)
    assert [style.number_of(text) for text in texts] == numbers


@pytest.mark.parametrize(
    "texts",
    [
        ["A1", "A2"],
        ["3rd", "4th"],
        ["12kg", "12g"],
        ["1,2,3"],
        ["1-2"],
        ["2026-01-01"],
        ["1.5", "1,5"],
        ["10+", "3"],
        [],
    ],
)
def test_text_that_is_not_numeric_is_not_read_as_numbers(texts: list[str]) -> None:
    assert styles_of(texts) == []


def test_one_group_of_three_digits_after_a_comma_is_ambiguous() -> None:
    texts = ["1,234", "12,000", "7"]
    assert {style.number_of("1,234") for style in styles_of(texts)} == {1234.0, 1.234}
    assert [style.number_of("1,234") for style in styles_of(texts, decimal=",")] == [1.234]
    assert [style.number_of("1,234") for style in styles_of(texts, thousands=",")] == [1234.0]
    assert [style.number_of("1,234") for style in styles_of([*texts, "1,5"])] == [1.234]
    assert [style.number_of("1,234") for style in styles_of([*texts, "1,234,567"])] == [1234.0]


def test_a_period_is_the_decimal_point_by_default() -> None:
    assert styles_of(["1.234", "2.500"]) == [NumberStyle()]
    assert [s.number_of("1.234") for s in styles_of(["1.234", "2.500"], decimal=",", thousands=".")] == [1234.0]
