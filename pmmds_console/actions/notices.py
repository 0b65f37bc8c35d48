"""The sentence that the next page shows after a change, in a cookie that lives for half a minute.

The text is shown once and has to be escaped, because it contains what a person wrote.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from pmmds_console.sign_in.clients import Client
from pmmds_console.sign_in.cookies import NOTICE, Cookies

_SECONDS, _MAX_LENGTH = 30, 400


def set_notice(response: Response, cookies: Cookies, client: Client, sentence: str) -> None:
    """Let the next page show this sentence."""
    cookies.put(response, client, NOTICE, quote(sentence[:_MAX_LENGTH]), seconds=_SECONDS)


def notice_of(request: Request, cookies: Cookies) -> str:
    """The sentence to show on this page; empty if there is none."""
    text = cookies.get(request.headers, request.state.client, NOTICE)
    return unquote(text, errors="replace")[:_MAX_LENGTH]
