"""The delimiter is detected even if column names contain other delimiters, and unnamed columns are recognized."""

from __future__ import annotations

import csv

import pytest

from pmmds_core.data.csv_dialect import dialect_of


@pytest.mark.parametrize(
    ("text", "delimiter", "names"),
    [
        ('"amount, in EUR, net";"age"\n62.0;78\n', ";", ("amount, in EUR, net", "age")),
        ("amount, in EUR, net, per month;age\n62.0;78\n", ";", ("amount, in EUR, net, per month", "age")),
        ('"amount; EUR; net","age"\n62.0,78\n', ",", ("amount; EUR; net", "age")),
        ("x|y|z,age\n62.0,78\n", ",", ("x|y|z", "age")),
        ("age;amount\n78;310,0\n", ";", ("age", "amount")),
        ("a\tb\n1,5\t2,5\n", "\t", ("a", "b")),
        ("only\n1,5\n2\n", ";", ("only",)),
        ("only\n1,5\n2,5\n13,0\n", ";", ("only",)),
        ("a,b\n1,2,\n3,4,\n", ",", ("a", "b", "")),
        ("a,b\nMazda,1,2\nFiat,3,4\n", ",", ("", "a", "b")),
        ("a,b\n1,x,2\n2,y,4\n", ",", ("", "a", "b")),
        ("a,b\n1,5,x\n1,7,y\n", ",", ("a", "b")),
        ("\n\nsep=;\n\na;b,c\n1;2\n", ";", ("a", "b,c")),
        (",age,plan\n0,5,a\n", ",", ("", "age", "plan")),
        ('"age","plan"\n"1",5,"a"\n"2",6,"b"\n', ",", ("", "age", "plan")),
        ("a,b,\n1,2,\n", ",", ("a", "b", "")),
        ('"a\nb",c\n1,2\n', ",", ("a\nb", "c")),
        ("a,b\n", ",", ("a", "b")),
        ('a,b\n"x\ny",2\n', ",", ("a", "b")),
    ],
)
def test_delimiter_and_column_names_are_detected(text: str, delimiter: str, names: tuple[str, ...]) -> None:
    found = dialect_of(text.splitlines(keepends=True))
    assert (found.delimiter, found.names) == (delimiter, names)


def test_an_explicit_delimiter_is_used() -> None:
    assert dialect_of(["a:b,c\n", "1:2,3\n"], ":").names == ("a", "b,c")


def test_an_unclosed_quote_in_the_header_is_rejected() -> None:
    with pytest.raises(csv.Error):
        dialect_of(['"a,b\n', "1,2\n"])
