"""Loading and scoring a portable model never unpickles anything, as a separate interpreter shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pmmds_core.deployment import Deployment

# The audit event that pickle's C code raises when it looks up a class. cloudpickle and joblib raise it, too.
CODE = """
import json, sys

events = []
sys.addaudithook(lambda event, args: events.append(str(args)) if event == "pickle.find_class" else None)
from pathlib import Path
from pmmds_core.models.bundle import load_bundle
import pmmds_serving.worker, pmmds_serving.application, pmmds_serving.model.follower

bundle = load_bundle(Path(sys.argv[1]))
golden = json.loads((Path(sys.argv[1]) / "golden.json").read_text())
found = bundle.scorer.probabilities([tuple(row) for row in golden["rows"]])
libraries = [m for m in ("cloudpickle", "joblib", "dill", "skops", "sklearn") if m in sys.modules]
print(json.dumps({"events": events, "libraries": libraries, "n": len(found), "kind": bundle.manifest.scorer_kind}))
"""


@pytest.mark.process
@pytest.mark.xdist_group("service")
def test_a_portable_model_is_loaded_and_scored_without_unpickling(two_versions: Deployment, tmp_path: Path) -> None:
    folder = two_versions.registry.download_bundle(two_versions.model_name, "1", tmp_path / "1")
    assert {path.suffix for path in folder.iterdir()} == {".json", ".md"}
    done = subprocess.run([sys.executable, "-c", CODE, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kind"] != "scikit_learn_pipeline"
    assert found["n"] > 0
    assert (found["events"], found["libraries"]) == ([], [])


def test_the_audit_hook_detects_unpickling() -> None:
    code = CODE.split("from pathlib")[0] + "import pickle, decimal; pickle.loads(pickle.dumps(decimal.Decimal(1))); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(len(events))"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 0
