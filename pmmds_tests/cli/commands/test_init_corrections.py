"""A user can correct an inferred contract on a terminal."""

from __future__ import annotations

import pytest

from pmmds_cli.commands.init_corrections import with_change
from pmmds_core.contract_inference.infer import InferenceOptions
from pmmds_core.errors import InputFileError

COLUMNS = ["age", "total price"]


def test_a_correction_replaces_an_earlier_one_for_the_same_column() -> None:
    options = with_change(InferenceOptions(), "age categorical", COLUMNS)
    options = with_change(options, '"total price" ignore', COLUMNS)
    options = with_change(options, "age numeric", COLUMNS)
    assert (options.file.numeric, options.file.categorical) == (frozenset({"age"}), frozenset())
    assert options.file.ignore == {"total price"}


@pytest.mark.parametrize("line", ["age", "age text", "size numeric", "numeric"])
def test_a_line_that_is_not_a_correction_is_rejected(line: str) -> None:
    with pytest.raises(InputFileError):
        with_change(InferenceOptions(), line, COLUMNS)
