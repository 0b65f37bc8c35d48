"""Alternatives to the service: a typical FastAPI application, and a server with a constant response.

Not here: measurements (serving.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.deployments import is_answered, wait_for
from pmmds_cli.processes.ports import any_free

# This application follows the tutorials of FastAPI and scikit-learn, and stores no predictions.
DATAFRAME_PEER = """
import mlflow, pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

class Body(BaseModel):
    features: dict

mlflow.set_tracking_uri({uri!r})
model = mlflow.sklearn.load_model("models:/{name}@production")
app = FastAPI()

@app.post("/api/v1/predict")
def predict(body: Body) -> dict:
    probability = float(model.predict_proba(pd.DataFrame([body.features]))[0, 1])
    return {{"prediction": int(probability >= 0.5), "probability": probability}}
"""

# Reading the body and returning a constant shows the limit of uvicorn on this machine.
CONSTANT_PEER = """
BODY = b'{"request_id":"0123456789abcdef0123456789abcdef","prediction":0,"probability":0.123456789,' \\
       b'"model_name":"telco_churn","model_version":"1","latency_ms":0.1,"warnings":[]}'
START = {"type": "http.response.start", "status": 200,
         "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]}

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": BODY})
"""


@contextmanager
def uvicorn_peer(folder: Path, name: str, text: str, body: object) -> Iterator[str]:
    """Run the source code as an application with one uvicorn worker, and yield the URL of its predict endpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    port = any_free()
    argv = [sys.executable, "-m", "uvicorn", f"{name}:app", "--port", str(port), "--no-access-log", "--lifespan", "off"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / f"{name}.log").open("wb") as out:
        process = subprocess.Popen(argv, cwd=folder, env=environment, stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}/api/v1/predict"
            wait_for(lambda: is_answered(url, body))
            yield url
        finally:
            process.terminate()
            process.wait(30)
