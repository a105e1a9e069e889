"""Pages of others, in a real browser: a name that was rebound to this machine, and what our own pages may load."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import REBOUND
from tests.support.stack import Stack

KILL = """async () => (await fetch("/controls/payment-service", {
    method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify({action: "kill"}),
})).status"""


@pytest.fixture
def rebound(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page that was loaded from its own server; since then its name points to this machine."""
    address = f"http://{REBOUND}:{urlsplit(stack.ready['api']).port}/attack"
    page = browser.new_page()
    page.route(address, lambda route: route.fulfill(body="<h1>Attack</h1>", content_type="text/html"))
    page.goto(address)
    yield page
    page.close()


def test_a_page_whose_name_was_rebound_kills_and_reads_nothing(rebound: Page, stack: Stack) -> None:
    before = stack.ready["processes"]["payment-service"]

    assert rebound.evaluate(KILL) == 421
    assert rebound.evaluate("async () => (await fetch('/orders')).status") == 421

    assert stack.ready["processes"]["payment-service"] == before


def test_the_document_of_the_api_is_shown_without_anything_from_elsewhere(page: Page, stack: Stack) -> None:
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto("/docs")
    page.get_by_text("/order-pairs", exact=True).wait_for()

    assert {urlsplit(url).netloc for url in loaded if not url.startswith("data:")} == {
        urlsplit(stack.ready["api"]).netloc
    }
