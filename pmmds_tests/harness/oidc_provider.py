"""Runs an OpenID Connect provider for tests, oidc-provider-mock, where people sign in with one click.

Not here: the console (console_process.py), assertions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import STOP_SECONDS, wait_until


@dataclass(frozen=True)
class OidcProvider:
    """A provider that accepts connections."""

    url: str

    @property
    def discovery_url(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    def authorize(self, url: str, subject: str) -> str:
        """Sign in as a person at the authorization URL, and return the URL to which the browser is redirected."""
        answer = httpx.post(url, data={"sub": subject}, timeout=60, trust_env=False)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]


@contextmanager
def running_oidc_provider(people: Mapping[str, Mapping[str, Any]]) -> Iterator[OidcProvider]:
    """Run a provider that requires a nonce within the block. `people` maps each subject to the subject's claims."""
    provider = OidcProvider(f"http://localhost:{(port := free_port())}")
    argv = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    for subject, claims in people.items():
        argv += ["--user-claims", json.dumps({"sub": subject, **claims})]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(argv, env=dict(os.environ), stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: _answers(provider, process))
            yield provider
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _answers(provider: OidcProvider, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the provider stopped"
    try:
        return httpx.get(provider.discovery_url, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
