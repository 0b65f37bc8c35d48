"""The routes of the pages' forms: each checks the form token, performs an action and goes back to the page.

Not here: the same actions for programs (api/changes.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pmmds_console.actions.notices import set_notice
from pmmds_console.actions.perform import perform_request
from pmmds_console.actions.table import ACTIONS, Action
from pmmds_console.actor import Actor, actor_of
from pmmds_console.forms import read_form
from pmmds_console.problems import forbidden
from pmmds_console.sign_in.cookies import FORM_FIELD, Cookies, is_form_token
from pmmds_console.threads import StoreThreads


def form_routes(threads: StoreThreads, cookies: Cookies) -> list[Route]:
    """A POST route for each action."""
    return [Route(action.path, _endpoint(action, threads, cookies), methods=["POST"]) for action in ACTIONS]


def check_form_token(actor: Actor, given: str) -> None:
    """Raises ProblemError 403 unless the form token is the actor's. Bearer tokens need none."""
    if actor.form_token and not is_form_token(given, actor.form_token):
        raise forbidden("The form's token is missing or has expired. Reload the page and send the form again.")


def _endpoint(action: Action, threads: StoreThreads, cookies: Cookies) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        fields = await read_form(request)
        check_form_token(actor_of(request), fields.get(FORM_FIELD, ""))
        sentence = await perform_request(action, threads, request, fields)
        page = action.page.format(request.path_params.get(action.parameter, ""))
        response = RedirectResponse(page, 303, {"Cache-Control": "no-store"})
        set_notice(response, cookies, request.state.client, sentence)
        return response

    return answer
