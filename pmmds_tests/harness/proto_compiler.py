"""Generates pmmds_serving/generated. `make protos` runs it, and a test compares its output with the committed files.

Not here: the messages (pmmds_serving/protos).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES, GENERATED = "pmmds_serving/protos", "pmmds_serving/generated"


def compile_protos(root: Path) -> None:
    """Write the modules and their type stubs to `root`/pmmds_serving/generated.

    The sources are compiled in the package path of the modules, so that the generated imports are correct.

    Raises:
        subprocess.CalledProcessError: compilation failed, and the compiler printed the reason.
    """
    plugins = Path(sys.executable).parent
    argv = [sys.executable, "-m", "grpc_tools.protoc", f"-I{GENERATED}={SOURCES}"]
    argv += [f"--plugin={name}={plugins / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    argv += [f"--{output}_out={root}" for output in ("python", "grpc_python", "mypy", "mypy_grpc")]
    argv += sorted(str(p.relative_to(ROOT)) for p in (ROOT / SOURCES).rglob("*.proto"))
    subprocess.run(argv, cwd=ROOT, check=True)


if __name__ == "__main__":
    compile_protos(ROOT)
