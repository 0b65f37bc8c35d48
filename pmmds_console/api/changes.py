"""The actions in the API: POST with a JSON body, and who the caller is.

Not here: the actions (actions/table.py), resources that are only read (lists.py, documents.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pmmds.resources import ActionResult, Me
from pmmds_console.actions.forms import check_form_token
from pmmds_console.actions.perform import MAX_TEXT, MAX_VERSION, perform_request
from pmmds_console.actions.table import ACTIONS, Action
from pmmds_console.actor import actor_of
from pmmds_console.api.parameters import Parameter, path_parameter
from pmmds_console.forms import read_body
from pmmds_console.problems import HEADERS, ProblemError, bad_request
from pmmds_console.sign_in.actors import LOCAL
from pmmds_console.sign_in.cookies import FORM_HEADER
from pmmds_console.threads import StoreThreads

ME = "/me"
_Text = Annotated[str, Meta(max_length=MAX_TEXT)]
PROBLEMS = (400, 401, 403, 404, 409, 415, 503)


class Note(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change to an alert."""

    note: _Text = ""


class Reason(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an approval or a rejection."""

    reason: _Text = ""


class RollBack(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a rollback. `to`: the version; empty: the previous one."""

    to: Annotated[str, Meta(max_length=MAX_VERSION)] = ""
    reason: _Text = ""


_BODIES: Mapping[tuple[str, ...], type[msgspec.Struct]] = {
    kind.__struct_fields__: kind for kind in (Note, Reason, RollBack)
}


def body_of(action: Action) -> type[msgspec.Struct]:
    """The type of an action's JSON body."""
    return _BODIES[action.fields]


def path_parameters(action: Action) -> tuple[Parameter, ...]:
    """The parameters in an action's path."""
    texts = {"alert_id": "Number of the alert", "decision_id": "Id of the decision"}
    return (path_parameter(action.parameter, str, texts[action.parameter]),) if action.parameter else ()


def change_routes(base: str, threads: StoreThreads) -> list[Route]:
    """The route of each action, and of the caller, below `base`."""
    changes = [Route(base + a.path, _endpoint(a, threads), methods=["POST"]) for a in ACTIONS]
    return [Route(base + ME, _me, methods=["GET"]), *changes]


async def _me(request: Request) -> Response:
    actor = actor_of(request)
    return _json(Me(name=actor.name, role=actor.role.word, method=actor.method, form_token=actor.form_token))


def _endpoint(action: Action, threads: StoreThreads) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        actor = actor_of(request)
        if actor.method != LOCAL:
            check_form_token(actor, request.headers.get(FORM_HEADER, ""))
        sentence = await perform_request(action, threads, request, await _body(action, request))
        target = action.target.format(request.path_params.get(action.parameter, ""))
        return _json(ActionResult(action=action.name, target=target, message=sentence))

    return answer


async def _body(action: Action, request: Request) -> Mapping[str, Any]:
    """The checked fields of the JSON body; an empty body has none. Raises ProblemError 400 or 415.

    Other types are refused even for an empty body, because a form of another site can send them.
    """
    body = await read_body(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        raise ProblemError(status, "media-type", "Send the body as application/json.")
    try:
        return msgspec.structs.asdict(msgspec.json.decode(body or b"{}", type=body_of(action)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(f"The body is not valid: {str(error).replace('`', '')}.") from None


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), headers=HEADERS, media_type="application/json")
