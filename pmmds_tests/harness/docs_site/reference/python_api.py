"""The page of the public Python package `pmmds`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import msgspec

import pmmds
from pmmds import changes, client, errors, resources, rows, webhooks
from pmmds_core.file_drift.compare import FileComparison
from pmmds_tests.harness.docs_site.reference.markdown import code, docstring, page, table

# Annotations are strings, which str(parameter) shows in quotes.
_QUOTED = re.compile(r"(: )'([^']*)'")


def python_page() -> str:
    functions = [function_section(name, getattr(pmmds, name)) for name in public_functions()]
    classes = [class_section(found) for found in public_classes()]
    return page("Python package", "the package `pmmds`", *functions, *classes)


def public_functions() -> list[str]:
    return [name for name in pmmds.__all__ if inspect.isfunction(getattr(pmmds, name))]


def public_classes() -> Iterator[type]:
    """The client, its results, the rows of the API, events of webhooks and the errors, as defined in their modules."""
    for module in (client, changes, rows, resources, webhooks, errors):
        found = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
        yield from (c for c in found if not c.__name__.startswith("_"))
    yield FileComparison


def function_section(name: str, function: object) -> str:
    return f"## pmmds.{name}\n\n{signature(name, function)}\n\n{docstring(function)}"


def class_section(found: type) -> str:
    parts = [f"## {found.__name__}", docstring(found) if "__doc__" in vars(found) else ""]
    if issubclass(found, msgspec.Struct):
        parts.append(fields_table(found))
    parts += [method_section(name, method) for name, method in public_methods(found)]
    return "\n\n".join(part for part in parts if part)


def public_methods(found: type) -> list[tuple[str, object]]:
    """Methods and properties that the class itself defines, in their order in the source."""
    kinds = (property, staticmethod, classmethod)
    return [
        (name, value)
        for name, value in vars(found).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, kinds))
    ]


def method_section(name: str, method: object) -> str:
    inner = method.fget if isinstance(method, property) else getattr(method, "__func__", method)
    return f"### {name}\n\n{signature(name, inner)}\n\n{docstring(inner)}"


def signature(name: str, function: object) -> str:
    """The signature as code, with one parameter per line if it is long."""
    if not callable(function):
        return ""
    found = inspect.signature(function)
    parameters = [_QUOTED.sub(r"\1\2", str(p)) for p in found.parameters.values()]
    kinds = [p.kind for p in found.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    result = "" if found.return_annotation is found.empty else f" -> {found.return_annotation}"
    line = f"{name}({', '.join(parameters)}){result}"
    if len(line) > 80:
        line = "\n".join([f"{name}(", *(f"    {p}," for p in parameters), f"){result}"])
    return f"```python\n{line}\n```"


def fields_table(struct: type[msgspec.Struct]) -> str:
    fields = [
        (code(f.name), code(inspect.formatannotation(f.type).replace("pmmds.resources.", "")))
        for f in msgspec.structs.fields(struct)
    ]
    return table(("field", "type"), fields) if fields else ""
