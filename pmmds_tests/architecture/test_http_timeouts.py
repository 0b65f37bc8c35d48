"""HTTP clients of tests have their own timeout, because httpx's default of five seconds fails on a busy machine."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent.parent
CALLS = {f"httpx.{name}" for name in ("Client", "request", "get", "post", "put", "delete", "head", "stream")}


def calls_without_timeout(text: str) -> Iterator[int]:
    """Yield the lines of HTTP calls that use httpx's default timeout."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    for call in calls:
        if ast.unparse(call.func) in CALLS and "timeout" not in {keyword.arg for keyword in call.keywords}:
            yield call.lineno


def test_every_http_client_of_a_test_has_a_timeout() -> None:
    assert list(calls_without_timeout("import httpx\n\nhttpx.get('http://a', trust_env=False)")) == [3]
    files = sorted(FOLDER.rglob("*.py"))
    found = {str(f.relative_to(FOLDER)): list(calls_without_timeout(f.read_text(encoding="utf-8"))) for f in files}
    assert {name: lines for name, lines in found.items() if lines} == {}
