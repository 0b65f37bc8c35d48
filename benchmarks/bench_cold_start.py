"""Measure the time to the first response, compared with a plain BentoML service that loads its model from MLflow.

python -m benchmarks.bench_cold_start [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from benchmarks.deployments import (
    example_request,
    is_answered,
    is_success,
    service_process,
    temporary_settings,
    train_versions,
    wait_for,
)
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url

# This service follows the tutorials of BentoML and MLflow.
PLAIN = """
import bentoml, mlflow, pandas as pd

@bentoml.service(workers=1, http={{"port": {port}}})
class Plain:
    def __init__(self):
        mlflow.set_tracking_uri({uri!r})
        self.model = mlflow.sklearn.load_model("models:/{name}@production")

    @bentoml.api
    def predict(self, features: dict) -> float:
        return float(self.model.predict_proba(pd.DataFrame([features]))[0, 1])
"""


def ours(settings: Settings) -> tuple[float, float]:
    """Return how many seconds pass until /livez responds and until the first prediction."""
    began = time.perf_counter()
    base = client_url(settings.http_host, settings.http_port)
    with service_process(settings):
        wait_for(lambda: is_success(f"{base}/livez"))
        alive = time.perf_counter() - began
        body = example_request(settings)
        wait_for(lambda: is_answered(f"{base}/api/v1/predict", body))
        return alive, time.perf_counter() - began


def plain(settings: Settings, name: str) -> float:
    """Return how many seconds pass until the plain service's first prediction."""
    folder = settings.home_path / "plain"
    folder.mkdir(exist_ok=True)
    text = PLAIN.format(port=settings.http_port, uri=settings.resolved_tracking_uri, name=name)
    (folder / "plain.py").write_text(text)
    environment = {**os.environ, "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "true"}
    argv = [sys.executable, "-m", "bentoml", "serve", "plain:Plain", "--port", str(settings.http_port)]
    url = f"http://127.0.0.1:{settings.http_port}/predict"
    body = example_request(settings)
    began = time.perf_counter()
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(argv, cwd=folder, env=environment, stdout=out, stderr=out)
        try:
            wait_for(lambda: is_answered(url, body))
            return time.perf_counter() - began
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with temporary_settings() as settings:
        name = train_versions(settings, 1).model_name
        ours(settings)  # This is a warm-up run, because later starts use cached bytecode and models.
        alive, answered, peer = [], [], []
        for _ in range(repeats):
            first, second = ours(settings)
            alive.append(first)
            answered.append(second)
            peer.append(plain(settings, name))
    median = statistics.median
    print(f"PMMDS, /livez:                       {median(alive):6.2f} s  (target 6 s)")
    print(f"PMMDS, first prediction:             {median(answered):6.2f} s")
    print(f"plain BentoML + MLflow, prediction:  {median(peer):6.2f} s")
    print(f"ratio (PMMDS / plain):               {median(answered) / median(peer):6.2f}")


if __name__ == "__main__":
    main()
