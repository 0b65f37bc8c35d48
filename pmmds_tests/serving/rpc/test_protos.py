"""The committed modules are what the messages' sources say."""

from __future__ import annotations

from pathlib import Path

from pmmds_tests.harness.proto_compiler import GENERATED, ROOT, compile_protos


def files_of(folder: Path) -> dict[str, bytes]:
    """Content by path; the packages' own empty files are not written by the compiler."""
    found = (p for pattern in ("*.py", "*.pyi") for p in folder.rglob(pattern) if p.name != "__init__.py")
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def test_the_committed_modules_are_fresh(tmp_path: Path) -> None:
    compile_protos(tmp_path)
    written, committed = files_of(tmp_path / GENERATED), files_of(ROOT / GENERATED)
    assert written.keys() == committed.keys()
    assert len(written) == 4
    assert [name for name in written if written[name] != committed[name]] == [], "run `make protos`"
