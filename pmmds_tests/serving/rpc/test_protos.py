"""The committed generated modules match the .proto sources."""

from __future__ import annotations

from pathlib import Path

from pmmds_tests.harness.proto_compiler import GENERATED, ROOT, compile_protos


def files_of(folder: Path) -> dict[str, bytes]:
    """Return file content by path, without the empty `__init__` files, which the compiler does not write."""
    found = (p for pattern in ("*.py", "*.pyi") for p in folder.rglob(pattern) if p.name != "__init__.py")
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def test_the_generated_modules_are_up_to_date(tmp_path: Path) -> None:
    compile_protos(tmp_path)
    written, committed = files_of(tmp_path / GENERATED), files_of(ROOT / GENERATED)
    assert written.keys() == committed.keys()
    assert len(written) == 4
    assert [name for name in written if written[name] != committed[name]] == [], "run `make protos`"
