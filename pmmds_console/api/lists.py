"""The lists of the API. Add a list here.

Not here: queries (pmmds_core/stores/lifecycle/history.py), single resources (documents.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

from pmmds.resources import (
    Alert,
    AuditEvent,
    DailyPerformance,
    Decision,
    DriftReport,
    Feature,
    FeaturePoint,
    Page,
    Version,
)
from pmmds_console.api.answers import Row, daily_performance, resource
from pmmds_console.api.cursors import decode, encode, list_digest
from pmmds_console.api.parameters import Parameter, choice_filter, page_parameters, path_parameter, text_filter
from pmmds_console.api.route import Asked, Route
from pmmds_console.problems import not_found
from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.keyset import Slice
from pmmds_core.stores.lifecycle.history import (
    ALERTS,
    AUDIT,
    DECISIONS,
    PERFORMANCE,
    REPORTS,
    VERSIONS,
    Listing,
    Selection,
)

_State = Literal["pending_approval", "judged", "moving", "recorded", "rejected", "aborted"]
_OF_VERSION = text_filter("model_version", "Only rows of this model version")
AUDIT_FILTERS = (
    text_filter("actor", "Only events of this person or program"),
    text_filter("action", "Only this action, such as `sign in` or `approve`"),
    choice_filter("outcome", Literal["done", "refused", "failed"], "Only events with this outcome"),
)
FEATURE = path_parameter("feature", str, "Name of the feature; `__score__` is the model's score", has_slashes=True)


def _route(
    path: str,
    operation: str,
    summary: str,
    item: Any,
    listing: Listing,
    rows: Callable[[Asked, Sequence[Row]], list[Any]],
    time: str,
    filters: tuple[Parameter, ...] = (),
    role: Role = Role.VIEWER,
) -> Route:
    def read(asked: Asked) -> Any:
        return _page(asked, listing, lambda s: asked.deployment.history.page(listing, s), rows)

    return Route(path, operation, summary, Page[item], read, (*page_parameters(time), *filters), role=role)


def _page(
    asked: Asked,
    listing: Listing,
    select: Callable[[Selection], Slice],
    rows: Callable[[Asked, Sequence[Row]], list[Any]],
) -> Page[Any]:
    values = asked.values
    filters = {name: values[name] for name in listing.filters if values.get(name) is not None}
    digest = list_digest(asked.path, {**filters, "since": values["since"], "until": values["until"]})
    after = decode(values["cursor"], digest, listing.keys)
    found = select(Selection(values["limit"], after, values["since"], values["until"], filters))
    following = None if found.after is None else encode(digest, found.after)
    return Page(rows(asked, found.rows), None if following is None else _reference(asked, following))


def _reference(asked: Asked, cursor: str) -> str:
    """The next page, relative to this one's URL, so that it also holds behind a proxy with a path prefix."""
    return "?" + urlencode({**asked.query, "cursor": cursor})


def _plain(kind: type[Any]) -> Callable[[Asked, Sequence[Row]], list[Any]]:
    return lambda _, rows: [resource(kind, row) for row in rows]


def _versions(asked: Asked, rows: Sequence[Row]) -> list[Version]:
    pointer = asked.deployment.decisions.pointer()
    live = "" if pointer is None else pointer.version
    return [resource(Version, row, model_version=row["version"], is_production=row["version"] == live) for row in rows]


def _features(asked: Asked) -> Page[Feature]:
    return Page([resource(Feature, row) for row in asked.deployment.history.features()], None)


def _series(asked: Asked) -> Page[FeaturePoint]:
    feature = asked.values["feature"]
    page: Page[FeaturePoint] = _page(
        asked, REPORTS, lambda s: asked.deployment.history.series(feature, s), _plain(FeaturePoint)
    )
    if not page.items and all(asked.values[name] is None for name in ("cursor", "since", "until", "model_version")):
        raise not_found(f"No drift report has a feature {feature[:64]!r}; /features lists those of the newest report.")
    return page


LISTS = (
    _route(
        "/versions", "listVersions", "Registered model versions", Version, VERSIONS, _versions, "time of registration"
    ),
    _route(
        "/drift-reports",
        "listDriftReports",
        "Drift reports, without their documents",
        DriftReport,
        REPORTS,
        _plain(DriftReport),
        "end of the window",
        (
            _OF_VERSION,
            choice_filter(
                "verdict", Literal["stable", "drifted", "insufficient_data"], "Only reports with this verdict"
            ),
        ),
    ),
    Route("/features", "listFeatures", "Features of the newest drift report", Page[Feature], _features),
    Route(
        "/features/{feature}/series",
        "listFeatureSeries",
        "A feature's PSI, p-value and band over the drift reports",
        Page[FeaturePoint],
        _series,
        (FEATURE, *page_parameters("end of the window"), _OF_VERSION),
        (404,),
    ),
    _route(
        "/alerts",
        "listAlerts",
        "Drift alerts",
        Alert,
        ALERTS,
        _plain(Alert),
        "opening",
        (
            _OF_VERSION,
            choice_filter("status", Literal["open", "acknowledged", "resolved"], "Only alerts in this state"),
            text_filter("severity", "Band of the worst feature"),
        ),
    ),
    _route(
        "/decisions",
        "listDecisions",
        "Promotion decisions and rollbacks, without their documents",
        Decision,
        DECISIONS,
        _plain(Decision),
        "time of the decision",
        (
            text_filter("model_version", "Only decisions on this version as challenger"),
            choice_filter("kind", Literal["promotion", "rollback", "manual"], "Only decisions of this kind"),
            choice_filter("state", _State, "Only decisions in this state"),
        ),
    ),
    _route(
        "/performance",
        "listPerformance",
        "Realized and estimated performance by day and model version",
        DailyPerformance,
        PERFORMANCE,
        lambda _, rows: [daily_performance(row) for row in rows],
        "day",
        (_OF_VERSION,),
    ),
    _route(
        "/audit-events",
        "listAuditEvents",
        "Changes, refused requests and sign-ins",
        AuditEvent,
        AUDIT,
        _plain(AuditEvent),
        "time",
        AUDIT_FILTERS,
        Role.APPROVER,
    ),
)
