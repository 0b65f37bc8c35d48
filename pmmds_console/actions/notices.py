"""The sentence that the next page shows after a change, in a cookie that lives for half a minute.

A page calls `notice_of` and, if it is not empty, `clear_notice` on its response. The text is shown once and has to be
escaped, because it contains what a person wrote.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "pmmds_notice"
_SECONDS, _MAX_LENGTH = 30, 400


def set_notice(response: Response, sentence: str, *, secure: bool) -> None:
    """Let the next page show this sentence."""
    text = quote(sentence[:_MAX_LENGTH])
    response.set_cookie(COOKIE, text, max_age=_SECONDS, secure=secure, httponly=True, samesite="lax")


def notice_of(request: Request) -> str:
    """The sentence to show on this page; empty if there is none."""
    return unquote(request.cookies.get(COOKIE, ""), errors="replace")[:_MAX_LENGTH]


def clear_notice(response: Response) -> None:
    """Remove the sentence, so that it is shown once."""
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
