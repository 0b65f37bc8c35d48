"""Takes the pictures of the documentation from a running system: `make pictures`.

The demo fills a temporary home; then its service, Dagster, MLflow and the console run on free ports, and a browser
opens them. The manifest records the digest of the templates, style sheets and facts of each picture, so that a test
fails if they change. Add a picture to PICTURES. Not here: the browser (browser.py), the picture of the lineage
(lineage_picture.py).
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
from PIL import Image

from pmmds_tests.harness.browser import Browser, running_browser
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.console_process import console_environment, running_console
from pmmds_tests.harness.lineage_picture import lineage_facts, lineage_screenshot
from pmmds_tests.harness.ports import free_ports
from pmmds_tests.harness.service_process import wait_until
from pmmds_tests.harness.system_programs import is_installed

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
MANIFEST = FOLDER / "manifest.json"
WIDTH, MAX_HEIGHT, N_COLORS = 1200, 860, 255
LINEAGE, MAX_LINEAGE_HEIGHT = "lineage.png", 1000
MAX_BYTES = 150_000
DEMO_SECONDS = 1800.0
_PAGES, _REPORTS = "pmmds_console/pages/templates", "pmmds_core/reports/templates"
_STYLE = (f"{_REPORTS}/colors.css", f"{_REPORTS}/page.css", f"{_REPORTS}/charts.compiled.json")
_CONSOLE = (
    *_STYLE,
    "pmmds_console/static/console.css",
    "pmmds_console/templates/base.html",
    "pmmds_console/pages/navigation.py",
)


@dataclass(frozen=True)
class Picture:
    """One picture. `page`: what it shows. `sources`: the files that determine its look, from the repository's root.

    `facts` returns a text that changes if what the picture shows changes, for a page that no file of PMMDS determines.
    `start` is the CSS selector of the element at the top of the picture; the top of the page without it.
    """

    name: str
    page: str
    sources: tuple[str, ...] = ()
    facts: Callable[[], str] = str
    start: str = ""


PICTURES = (
    Picture(
        "console-overview.png",
        "/",
        (*_CONSOLE, f"{_PAGES}/overview.html", f"{_PAGES}/decision_table.html", f"{_PAGES}/alert_table.html"),
    ),
    Picture("console-alert.png", "/alerts/1", (*_CONSOLE, f"{_PAGES}/alert.html", f"{_REPORTS}/drift_body.html")),
    Picture("console-drift.png", "/drift", (*_CONSOLE, f"{_PAGES}/drift.html")),
    Picture(
        "drift-report.png",
        "drift report",
        (
            *_STYLE,
            f"{_REPORTS}/drift_report.html",
            f"{_REPORTS}/drift_body.html",
            f"{_REPORTS}/feature_card.html",
            "pmmds_core/reports/small_charts.py",
        ),
        start="#features",
    ),
    Picture(LINEAGE, "Dagster", facts=lineage_facts),
)


def digest_of(picture: Picture) -> str:
    """SHA-256 of the files and facts of a picture, in hexadecimal digits."""
    whole = hashlib.sha256(picture.facts().encode())
    for path in picture.sources:
        whole.update(path.encode() + b"\0" + (ROOT / path).read_bytes() + b"\0")
    return whole.hexdigest()


def make_pictures(home: Path) -> Mapping[str, str]:
    """Write all pictures from a home that the demo has filled. Returns the digest of each picture's sources."""
    with _system(home) as (console, dagster), running_browser() as browser:
        _write(FOLDER / LINEAGE, lineage_screenshot(browser, dagster), MAX_LINEAGE_HEIGHT)
        browser.show(WIDTH, height=MAX_HEIGHT)
        for picture in PICTURES:
            if picture.name != LINEAGE:
                browser.open(_address(picture, console, home))
                _write(FOLDER / picture.name, _screenshot(browser, picture), MAX_HEIGHT)
    return {picture.name: digest_of(picture) for picture in PICTURES}


def _screenshot(browser: Browser, picture: Picture) -> bytes:
    """The page from the picture's first element to its end, as a PNG."""
    if not picture.start:
        return browser.screenshot()
    top = browser.run("return arguments[0].getBoundingClientRect().top", browser.element(picture.start))
    height = browser.run("return document.documentElement.scrollHeight")
    return browser.screenshot(box={"x": 0, "y": top, "width": WIDTH, "height": height - top})


def _address(picture: Picture, console: str, home: Path) -> str:
    if picture.page.startswith("/"):
        return console + picture.page
    newest = max((home / "reports").glob("drift-*.html"))
    return newest.as_uri()


@contextmanager
def _system(home: Path) -> Iterator[tuple[str, str]]:
    """Within the block: the service, MLflow, and the console and Dagster at the addresses that this yields."""
    names = ("PMMDS_HTTP_PORT", "PMMDS_GRPC_PORT", "PMMDS_DAGSTER_PORT", "PMMDS_MLFLOW_PORT")
    ports = {name: str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}
    started = pmmds(home, "up", "--no-console", given=ports)
    assert started.code == 0, started.err
    try:
        wait_until(lambda: _is_ready(ports["PMMDS_HTTP_PORT"]))
        with running_console(console_environment(str(home), **ports)) as console:
            yield console.url, f"http://127.0.0.1:{ports['PMMDS_DAGSTER_PORT']}"
    finally:
        pmmds(home, "down", given=ports)


def _is_ready(port: str) -> bool:
    """True if the service has loaded the model."""
    return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5, trust_env=False).status_code == httpx.codes.OK


def _write(file: Path, screenshot: bytes, max_height: int) -> None:
    """Save the top of a screenshot with a palette of N_COLORS, which makes the file small."""
    whole = Image.open(io.BytesIO(screenshot))
    top = whole.crop((0, 0, whole.width, min(whole.height, max_height))).convert("RGB")
    top.quantize(N_COLORS, dither=Image.Dither.NONE).save(file, optimize=True)


def _main() -> None:
    if not all(map(is_installed, ("chromium", "chromedriver"))):
        raise SystemExit("The pictures need Chromium and its driver. Run .ci/packages to install them.")
    with tempfile.TemporaryDirectory(prefix="pmmds-pictures-") as folder:
        home = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else Path(folder) / "home"
        if not home.exists():
            done = pmmds(home, "demo", "--home", str(home), cwd=Path(folder), timeout=DEMO_SECONDS)
            assert done.code == os.EX_OK, done.err
        FOLDER.mkdir(exist_ok=True)
        digests = make_pictures(home)
    MANIFEST.write_bytes(msgspec.json.format(msgspec.json.encode(digests), indent=2) + b"\n")


if __name__ == "__main__":
    _main()
