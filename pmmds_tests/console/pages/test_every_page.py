"""All pages of a real console that links lead to are valid, on both engines."""

from __future__ import annotations

from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
import pytest

from pmmds_tests.harness.console_process import RunningConsole
from pmmds_tests.harness.html_links import parse_html

MAX_BYTES = 300_000
# The crawl must find these pages, so it fails if a link to one of them is missing.
EXPECTED = (
    "/",
    "/versions",
    "/versions/1",
    "/drift",
    "/drift/tenure",
    "/reports/1",
    "/what-if",
    "/alerts",
    "/alerts/1",
    "/decisions",
    "/predictions",
    "/quality",
)


def get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def crawled(console: RunningConsole) -> dict[str, httpx.Response]:
    """The responses of all pages that links from the first page lead to, by URL."""
    found: dict[str, httpx.Response] = {}
    waiting = [f"{console.url}/"]
    while waiting:
        url = waiting.pop()
        if url in found:
            continue
        found[url] = get(url)
        links = (urldefrag(urljoin(url, link)).url for link in parse_html(found[url].text).links)
        # The heatmap's cells are tested below.
        waiting += [link for link in links if link.startswith(console.url) and "?report=" not in link]
    return found


def test_every_link_leads_to_a_page(crawled: dict[str, httpx.Response]) -> None:
    assert {url: r.status_code for url, r in crawled.items() if r.status_code != httpx.codes.OK} == {}
    paths = {urlsplit(url).path for url in crawled}
    assert [path for path in EXPECTED if path not in paths] == []


def test_every_page_is_small_and_loads_only_from_the_console(crawled: dict[str, httpx.Response]) -> None:
    for url, response in crawled.items():
        page = parse_html(response.text)
        assert len(response.content) <= MAX_BYTES, url
        assert page.loaded == ["/static/console.css", "/static/icon.svg"], url
        assert page.inline_styles == [], url
        assert len(page.ids) == len(set(page.ids)), url


def test_every_page_forbids_scripts_and_frames(crawled: dict[str, httpx.Response]) -> None:
    for url, response in crawled.items():
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'"), url
        assert "frame-ancestors 'none'" in policy, url
        assert "script" not in policy, url
        assert response.headers["x-content-type-options"] == "nosniff", url


def test_a_cell_of_the_heatmap_leads_to_the_distributions_of_that_report(console: RunningConsole) -> None:
    cells = [link for link in parse_html(get(f"{console.url}/drift").text).links if "?report=" in link]
    page = get(urljoin(console.url, cells[0]))
    assert page.status_code == httpx.codes.OK
    assert "Report 1" in page.text


def test_a_feature_page_shows_its_psi_with_performance_and_its_distribution_by_day(console: RunningConsole) -> None:
    text = get(f"{console.url}/drift/tenure").text
    assert "threshold 0.2" in text
    assert "v1: holdout − 0.05" in text
    table = text.partition(">Distribution by day<")[2].partition("</table>")[0]
    assert '<td class="heat-' in table


def test_the_heatmap_links_to_the_alert_of_a_day(console: RunningConsole) -> None:
    assert 'href="/alerts/1" aria-label="Alert 1"' in get(f"{console.url}/drift").text


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/alerts/999", 404, "There is no alert 999."),
        ("/alerts/x", 422, "A parameter is not valid."),
        ("/decisions/nope", 404, "There is no decision"),
        ("/reports/999", 404, "There is no drift report 999."),
        ("/versions/999", 404, "PMMDS registered no model version"),
        ("/drift/nope", 404, "Report 1 has no feature"),
        ("/drift?weeks=0", 422, "A parameter is not valid."),
        ("/what-if?threshold=nan", 422, "A parameter is not valid."),
        ("/drift?week=1", 422, "did you mean weeks?"),
        ("/nothing", 404, "There is no such path"),
        ("/drift/tenure?by=tenure", 200, "By segment"),
        ("/drift/tenure?by=nope", 422, "not a categorical feature"),
        ("/predictions?id=nope", 200, "No prediction with this id is in the database."),
    ],
)
def test_bad_addresses_get_a_page_with_one_sentence(
    console: RunningConsole, path: str, status: int, sentence: str
) -> None:
    response = get(f"{console.url}{path}")
    assert response.status_code == status
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert sentence in response.text
    assert "Traceback" not in response.text
