"""Opens URLs of the deployment's own servers: without the environment's proxies, and without following redirects.

Not here: downloads from other hosts (files/openml_download.py).
"""

from __future__ import annotations

import urllib.request
from typing import Any


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes a redirect an HTTPError, so that a server cannot send the caller to another host."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def direct_opener() -> urllib.request.OpenerDirector:
    """Return an opener that ignores the proxy environment variables and follows no redirect."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())
