"""Chromium with the page of a real stack."""

import os
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.counter import SCREENSHOTS, Counter
from tests.support.shop import Shop
from tests.support.stack import Stack, running_stack

CHROMIUM = "TWINSAGA_TEST_CHROMIUM"
DEADLINE_MS = 60_000


def chromium() -> str:
    """Return the path of the browser: from the variable, else the first one on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get(CHROMIUM) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(
            f"the browser tests need Chromium: `apt-get install chromium`, or name one in {CHROMIUM}", pytrace=False
        )
    return found


# Package scope, not session: while Playwright's sync API is open, no other test of the thread can run an event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:  # noqa: ARG001 - without one it need not start
    needed = "temporal,kafka,redis,api,saga-worker,order-service,payment-service,inventory-service,shipping-service"
    hasty = {"parked_first_delay_seconds": "0.05", "parked_longest_delay_seconds": "0.2"}
    with running_stack(tmp_path_factory.mktemp("stack"), "--only", f"{needed},kafka-bridge", **hasty) as stack:
        yield stack


@pytest.fixture
def shop(stack: Stack) -> Iterator[Shop]:
    with stack.client() as client:
        yield Shop(client)


@pytest.fixture
def context(browser: Browser, stack: Stack) -> Iterator[BrowserContext]:
    context = browser.new_context(
        base_url=stack.ready["api"], viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    context.set_default_timeout(DEADLINE_MS)
    expect.set_options(timeout=DEADLINE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The opened page. Fails the test on errors in the console; saves a screenshot at the end."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if _is_complaint(said.type, said.text) else None)
    page.goto("/")
    yield page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{re.sub(r'[^a-z0-9]+', '-', request.node.name)}.png")
    assert complaints == []


@pytest.fixture
def counter(page: Page) -> Counter:
    return Counter(page)


def _is_complaint(kind: str, text: str) -> bool:
    """Failed requests are excluded: tests provoke them, and the page shows them."""
    return kind == "error" and not text.startswith("Failed to load resource")
