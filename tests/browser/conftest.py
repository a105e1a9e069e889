"""Chromium with the page of a real stack."""

import os
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.counter import SCREENSHOTS, Counter
from tests.support.otlp import collector
from tests.support.shop import Shop
from tests.support.stack import Stack, running_stack

CHROMIUM = "TWINSAGA_TEST_CHROMIUM"
DEADLINE_MS = 60_000
REBOUND = "rebound.test"
"""A host name that the browser resolves to this machine."""
SHOP = "shop.test"
"""The same, and the API answers to it. Its pages have no key of their own."""
TRACE_UI = "http://traces.test/trace/{trace_id}?view='timeline'&from=page"


def chromium() -> str:
    """The path of the browser: from the variable, else the first one on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get(CHROMIUM) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(
            f"the browser tests need Chromium: `apt-get install chromium`, or name one in {CHROMIUM}", pytrace=False
        )
    return found


# Scope `package`, not `session`: while the browser is open, no other test in this thread can run an event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium refuses the requests of rebound pages itself since 2025; other browsers do not.
        rules = ",".join(f"MAP {name} 127.0.0.1" for name in (REBOUND, SHOP))
        rebinding = [f"--host-resolver-rules={rules}", "--disable-features=LocalNetworkAccessChecks"]
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", *rebinding])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:  # noqa: ARG001 - without a browser the stack is not started
    needed = "temporal,kafka,redis,api,saga-worker,order-service,payment-service,inventory-service,shipping-service"
    parked = {"parked_first_delay_seconds": "0.05", "parked_longest_delay_seconds": "0.2"}
    changed = parked | {"trace_ui": TRACE_UI, "api_hosts": SHOP}
    with collector() as (_, variables), pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with running_stack(tmp_path_factory.mktemp("stack"), "--only", f"{needed},kafka-bridge", **changed) as stack:
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
    """The opened page. Errors in its console fail the test; a screenshot of its last state is saved."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if _is_error(message.type, message.text) else None)
    page.goto("/")
    yield page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{re.sub(r'[^a-z0-9]+', '-', request.node.name)}.png")
    assert errors == []


@pytest.fixture
def counter(page: Page) -> Counter:
    return Counter(page)


def _is_error(kind: str, text: str) -> bool:
    """The console also contains refused requests, and connections that a test cuts. The page shows those itself."""
    return kind == "error" and not text.startswith("Failed to load resource")
