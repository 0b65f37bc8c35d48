"""Types of setting values, with functions that parse them from text and mask them for display.

Not here: the settings (settings.py) and their list (listing.py).
"""

from __future__ import annotations

import ipaddress
import math
import re
from datetime import date
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from pmmds_core.errors import SettingError

Port = Annotated[int, Meta(ge=1, le=65535)]
PositiveInt = Annotated[int, Meta(ge=1)]
NonNegativeInt = Annotated[int, Meta(ge=0)]
NonNegativeFloat = Annotated[float, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
OpenShare = Annotated[float, Meta(gt=0, lt=1)]
OffOn = Literal["off", "on"]
# A number of hours, at most ten years.
Hours = Annotated[float, Meta(ge=0, le=87_600)]
Day = Annotated[date, Meta(extra={"expected": "a day such as 2000-01-01"})]
_RULE = "(spec|calibrated|joint|sequential)"
RuleNames = Annotated[
    str,
    Meta(
        pattern=rf"^\s*{_RULE}(\s*,\s*{_RULE})*\s*$",
        extra={"expected": "a comma-separated list of spec, calibrated, joint, sequential", "is_list": True},
    ),
]
TextList = Annotated[str, Meta(extra={"is_list": True})]
# A path. In pmmds.toml, it is relative to the folder of the file.
PathText = Annotated[str, Meta(extra={"path": True})]
BrokerUrl = Annotated[
    str, Meta(pattern=r"^(rediss?|sentinel|(py)?amqps?)://", extra={"expected": "a redis:// or amqp:// URL"})
]
_HOST = r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
HostNames = Annotated[
    str,
    Meta(
        pattern=rf"^(\s*{_HOST}\s*(,\s*{_HOST}\s*)*)?$",
        extra={
            "expected": "a comma-separated list of names such as pmmds.example or pmmds.example:3000",
            "is_list": True,
        },
    ),
]
_ORIGIN = rf"https?://{_HOST}"
WebUrl = Annotated[
    str, Meta(pattern=r"^(https?://[^\s?#]+)?$", extra={"expected": "a URL such as https://dagster.example.com"})
]
Origins = Annotated[
    str,
    Meta(
        pattern=rf"^(\s*{_ORIGIN}\s*(,\s*{_ORIGIN}\s*)*)?$",
        extra={
            "expected": "a comma-separated list of origins such as https://app.example or http://localhost:3000",
            "is_list": True,
        },
    ),
]

# Settings whose whole value is secret.
HIDDEN = frozenset({"admin_token", "alert_urls", "webhook_urls", "webhook_secret", "console_oidc_client_secret"})
# libpq also accepts a password as a query option.
_PASSWORD_OPTION = re.compile(r"([?&](?:ssl)?password=)[^&]*")


def parse(variable: str, raw: str, kind: Any) -> Any:
    """Parse `raw` as `kind`. Raises SettingError, which states the allowed values and masks the passwords in URLs."""
    try:
        return converted(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        reason = expected(kind, str(error))
        for name, noun in (("int", "a whole number"), ("float", "a number")):
            reason = re.sub(rf"^expected {name}\b(, got str)?", f"expected {noun}", reason)
        raise SettingError(
            f"{variable}={without_password(raw)!r} is not valid: {reason}.",
            next_step=f"Set {variable} to an allowed value, or unset it.",
        ) from None


def converted(value: Any, kind: Any, *, strict: bool) -> Any:
    """Convert a value to the type of its setting.

    Raises msgspec.ValidationError, also for an infinite number, and for text with a NUL character, which no path, URL
    or variable can contain.
    """
    result = msgspec.convert(value, kind, strict=strict)
    if isinstance(result, float) and not math.isfinite(result):
        raise msgspec.ValidationError("Expected a finite number")
    if isinstance(result, str) and "\0" in result:
        raise msgspec.ValidationError("Expected text without NUL characters")
    return result


def expected(kind: Any, message: str) -> str:
    """Return the allowed values of a type as `expected …`, or msgspec's own message if they are not known."""
    literal = next((a for a in (kind, *get_args(kind)) if str(a).startswith("typing.Literal")), None)
    if literal is not None:
        return "expected one of " + ", ".join(get_args(literal))
    form = next((m.extra["expected"] for m in metas(kind) if m.extra and "expected" in m.extra), None)
    if form is not None:
        return f"expected {form}"
    reason = message.split(" - at ")[0].replace("`", "")
    return reason[:1].lower() + reason[1:]


def metas(kind: Any) -> list[Meta]:
    """Return the msgspec constraints of an Annotated type, including the constraints of nested Annotated types."""
    return [m for m in get_args(kind) if isinstance(m, Meta)]


def comma_list(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated list, stripped and without empty parts and duplicates."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def is_every_address(host: str) -> bool:
    """Return True if the host is one of the wildcard addresses `0.0.0.0` and `::`."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def without_brackets(name: str) -> str:
    """Remove the brackets from an IPv6 address such as `[fd00::5]`. A name with a port is returned unchanged."""
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def with_driver(url: str, driver: str) -> str:
    """Add the driver to a PostgreSQL URL that does not name one. Any other URL is returned unchanged."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return f"postgresql+{driver}://" + url.removeprefix(plain)
    return url


def masked(name: str, value: str) -> str:
    """Return a setting's value for display, with secrets and passwords masked."""
    if name in HIDDEN:
        return "(set)" if value else ""
    return without_password(value)


def has_password(value: str) -> bool:
    """Return True if the text is a URL with a password."""
    user = value.partition("://")[2].rpartition("@")[0]
    return ":" in user or bool(_PASSWORD_OPTION.search(value))


def without_password(value: str) -> str:
    """Return a URL with its passwords masked. Any other text is returned unchanged."""
    if "://" in value and "@" in value:
        scheme, rest = value.split("://", 1)
        user, host = rest.rsplit("@", 1)
        value = f"{scheme}://{user.split(':')[0]}:***@{host}"
    return _PASSWORD_OPTION.sub(r"\1***", value)
