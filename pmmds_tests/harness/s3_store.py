"""Runs an S3-compatible store: moto's server as a child process, which checks a user's key.

Not here: the objects in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import STOP_SECONDS, wait_until

REGION = "us-east-1"
# The number of setup requests (bucket, user, policy, key) after which moto checks credentials.
N_SETUP_CALLS = 4
USER = "pmmds"
MAY_USE_S3 = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


@dataclass(frozen=True)
class S3Store:
    """A running store.

    `variables` is the environment of a process that uses the store, and `bucket` is an existing bucket.
    """

    url: str
    bucket: str
    variables: dict[str, str]

    def client(self) -> Any:
        return _client("s3", self.url, self.variables["AWS_ACCESS_KEY_ID"], self.variables["AWS_SECRET_ACCESS_KEY"])

    def keys(self, bucket: str = "") -> set[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket or self.bucket)
        return {found["Key"] for page in pages for found in page.get("Contents", [])}


@contextmanager
def temporary_store(bucket: str) -> Iterator[S3Store]:
    """Run a store with one empty bucket within the block."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(N_SETUP_CALLS)}
    with tempfile.TemporaryDirectory(prefix="pmmds-s3-") as folder, (Path(folder) / "log").open("wb") as log:
        server = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
        try:
            yield S3Store(url, bucket, _set_up(server, url, bucket))
        finally:
            server.kill()
            server.wait(STOP_SECONDS)


def _set_up(server: subprocess.Popen[bytes], url: str, bucket: str) -> dict[str, str]:
    """Create the bucket and a user, and return the environment of a process that may use them.

    Later calls require the key.
    """

    def answers() -> bool:
        assert server.poll() is None, "moto's server has exited"
        try:
            return httpx.get(f"{url}/moto-api/", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    wait_until(answers)
    _client("s3", url, "anybody", "anything").create_bucket(Bucket=bucket)
    users = _client("iam", url, "anybody", "anything")
    users.create_user(UserName=USER)
    users.put_user_policy(UserName=USER, PolicyName="s3", PolicyDocument=json.dumps(MAY_USE_S3))
    key = users.create_access_key(UserName=USER)["AccessKey"]
    return {
        "MLFLOW_S3_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


def _client(service: str, url: str, key: str, secret: str) -> Any:
    import boto3

    return boto3.client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret
    )
