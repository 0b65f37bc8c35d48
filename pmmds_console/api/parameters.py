"""Parameters of routes: parsing, and their description in the OpenAPI document.

Not here: which route has which (lists.py, documents.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from pmmds.resources import ParameterProblem
from pmmds_console.problems import invalid_parameters

MAX_LIMIT, DEFAULT_LIMIT = 500, 100
_TEXT = Annotated[str, Meta(min_length=1, max_length=128)]
# What the integer column of an id holds.
RowId = Annotated[int, Meta(ge=0, le=2**31 - 1)]


@dataclass(frozen=True)
class Parameter:
    """A parameter. `kind`: the type that its text is converted to, with its bounds.

    `has_slashes`: a path parameter that may contain slashes.
    """

    name: str
    kind: Any
    description: str
    default: Any = None
    where: Literal["query", "path"] = "query"
    has_slashes: bool = False

    def document(self) -> dict[str, Any]:
        """Its OpenAPI description."""
        schema = msgspec.json.schema(self.kind)
        if self.default is not None:
            schema["default"] = self.default
        return {
            "name": self.name,
            "in": self.where,
            "required": self.where == "path",
            "description": self.description,
            "schema": schema,
        }


def path_parameter(name: str, kind: Any, description: str, *, has_slashes: bool = False) -> Parameter:
    return Parameter(name, kind, description, where="path", has_slashes=has_slashes)


def text_filter(name: str, description: str) -> Parameter:
    return Parameter(name, _TEXT, description)


def choice_filter(name: str, kind: Any, description: str) -> Parameter:
    """A filter by one of a few words. `kind`: a Literal with all of them, so that a typing error is no empty list."""
    return Parameter(name, kind, description)


def page_parameters(time: str) -> tuple[Parameter, ...]:
    """The parameters of every list. `time`: what `since` and `until` select by."""
    instant = Annotated[datetime, Meta(tz=True)]
    return (
        Parameter("limit", Annotated[int, Meta(ge=1, le=MAX_LIMIT)], "Rows of a page", DEFAULT_LIMIT),
        Parameter("cursor", Annotated[str, Meta(min_length=1, max_length=1000)], "Position, from `next` of a page"),
        Parameter("since", instant, f"Only rows whose {time} is at or after this instant"),
        Parameter("until", instant, f"Only rows whose {time} is before this instant"),
    )


def parse(parameters: Sequence[Parameter], given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The values by name, with defaults; a parameter that is not given and has no default is None.

    Raises:
        ProblemError: 422; lists every unknown, repeated and invalid parameter.
    """
    problems = [_unknown(name, parameters) for name in given if name not in {p.name for p in parameters}]
    values: dict[str, Any] = {}
    for parameter in parameters:
        texts = given.get(parameter.name, ())
        values[parameter.name] = parameter.default
        if len(texts) > 1:
            problems.append(ParameterProblem(parameter.name, "is given more than once"))
        elif texts:
            try:
                values[parameter.name] = _converted(texts[0], parameter.kind)
            except (msgspec.ValidationError, ValueError, OverflowError) as error:
                problems.append(ParameterProblem(parameter.name, _reason(error, parameter.kind)))
    if problems:
        raise invalid_parameters(problems)
    return values


def _converted(text: str, kind: Any) -> Any:
    if "\0" in text:
        raise ValueError("NUL characters are not allowed")
    value = msgspec.convert(text, kind, strict=False)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _unknown(name: str, parameters: Sequence[Parameter]) -> ParameterProblem:
    known = [p.name for p in parameters if p.where == "query"]
    close = get_close_matches(name, known, n=1)
    expected = f"did you mean {close[0]}?" if close else f"expected {', '.join(known) or 'no parameters'}"
    return ParameterProblem(name[:100], f"is unknown; {expected}")


def _reason(error: Exception, kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"expected one of {', '.join(get_args(kind))}"
    text = str(error).split(" - at ")[0].replace("`", "")
    return text[:1].lower() + text[1:]
