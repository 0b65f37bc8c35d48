"""The model cache keeps the newest versions and those in use."""

from __future__ import annotations

from pathlib import Path

from pmmds_serving.model.cache import ModelCache


def test_pruning_keeps_the_newest_versions_and_those_in_use(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path, "m")
    cache.prepare()
    for version in range(1, 13):
        (cache.bundle_folder(str(version)) / "bundle").mkdir(parents=True)
    cache.prune({"2", "12"})
    left = {path.name for path in cache.folder.iterdir() if path.name.isdigit()}
    assert left == {"2", "8", "9", "10", "11", "12"}
    assert cache.workers.is_dir()
