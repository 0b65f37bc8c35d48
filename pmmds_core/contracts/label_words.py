"""The texts and values that stand for each class of the label, in reference data, label files, HTTP and gRPC.

Not here: reading them (data/reader.py, stores/predictions/label_file.py, pmmds_serving).
"""

from __future__ import annotations

from collections.abc import Mapping

from pmmds_core.contracts.contract import Label

_GENERAL = ({"0": 0, "1": 1}, {"false": 0, "true": 1})


class LabelWords:
    """The accepted words of one contract.

    These are the contract's two values in any case, then 1 and 0, then true and false. The contract takes precedence.
    If one of its values is 1 or 0, these two numbers have only the meaning that the contract gives them. The same
    applies to true and false.
    """

    def __init__(self, label: Label) -> None:
        self._exact = {label.positive: 1, label.negative: 0}
        self._folded = _folded(self._exact)

    @property
    def expected(self) -> str:
        """The accepted words, as used in messages: `one of: No, Yes, 0, 1, false, true`."""
        return "one of: " + ", ".join(self.words)

    @property
    def words(self) -> tuple[str, ...]:
        """The contract's values, negative first, followed by the general words."""
        general = (word for words in _GENERAL for word in words)
        own = tuple(word for word, _ in sorted(self._exact.items(), key=lambda pair: pair[1]))
        return own + tuple(word for word in general if self._is_general(word))

    @property
    def json_values(self) -> list[str | int | bool]:
        """The accepted values in JSON, for the JSON schema."""
        numbers = [number for number in (0, 1) if self.code_of(number) is not None]
        return [*self.words, *numbers, *(flag for flag in (False, True) if self.code_of(flag) is not None)]

    def code_of(self, raw: object) -> int | None:
        """Return the class, 1 or 0, of a text, integer, float or boolean, or None if the value is not a label."""
        if not isinstance(raw, str | int | float):
            return None
        text = str(raw).strip()
        if text in self._exact:
            return self._exact[text]
        # pandas writes integers as floats in a column with missing values.
        return self._folded.get(text.casefold(), self._folded.get(text.casefold().removesuffix(".0")))

    def _is_general(self, word: str) -> bool:
        return word in self._folded and word not in (own.casefold() for own in self._exact)


def _folded(exact: Mapping[str, int]) -> dict[str, int]:
    """Return the words in lower case. The contract's own words are left out if they differ only in case."""
    own = {word.casefold(): code for word, code in exact.items()}
    own = own if len(own) == len(exact) else {}
    folded: dict[str, int] = {}
    for words in _GENERAL:
        if not words.keys() & {word.casefold() for word in exact}:
            folded.update(words)
    return folded | own
