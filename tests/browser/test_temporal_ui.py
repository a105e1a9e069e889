"""The Temporal UI in a real browser: it shows payloads to those who have logged in to the codec server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import DEADLINE_MS
from tests.browser.counter import SCREENSHOTS
from tests.support.api_bodies import PAIR, PRODUCT
from tests.support.shop import Shop
from tests.support.stack import Stack, running_stack

pytestmark = pytest.mark.long

OUTCOME = '"status": "confirmed"'
"""Of the order. Addresses and tokens are sealed for their services, so that the UI shows them to nobody."""


@pytest.fixture(scope="module")
def encrypted_stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:  # noqa: ARG001 - without a browser the stack is not started
    folder = tmp_path_factory.mktemp("encrypted")
    needed = "temporal,kafka,redis,api,saga-worker,order-service,inventory-service"
    with running_stack(folder, "--only", needed, "--encrypt-payloads") as stack:
        yield stack


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1400, "height": 1200})
    context.set_default_timeout(DEADLINE_MS)
    expect.set_options(timeout=DEADLINE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="module")
def history_url(encrypted_stack: Stack) -> str:
    with encrypted_stack.client() as client:
        shop = Shop(client)
        shop.stock({"COFFEE": PRODUCT})
        order_id = shop.place(PAIR, "orchestrated")
        assert shop.await_end(order_id)["status"] == "confirmed"
        return f"{encrypted_stack.ready['temporal_ui']}/namespaces/default/workflows/order-saga%2F{order_id}"


def test_the_ui_shows_an_order_only_after_a_login_to_the_codec_server(
    page: Page, encrypted_stack: Stack, history_url: str
) -> None:
    undecoded = page.locator("#content").get_by_text("Codec Server could not connect")
    page.goto(history_url)
    expect(undecoded).to_be_visible()
    expect(page.get_by_role("textbox", name="Result")).not_to_be_empty()
    expect(page.get_by_text(OUTCOME)).to_have_count(0)

    page.goto(encrypted_stack.ready["codec_server"])
    page.get_by_label("Token").fill(Path(encrypted_stack.ready["codec_token_file"]).read_text().strip())
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("You are logged in until")).to_be_visible()
    page.goto(history_url)
    page.locator("[data-testid^=data-encoder-status]").first.click()
    page.get_by_test_id("use-local-endpoint-input").check()
    page.get_by_placeholder("Paste your endpoint here").fill(encrypted_stack.ready["codec_server"])
    page.get_by_text("Include cross-origin credentials").click()
    page.get_by_role("button", name="Apply").click()
    page.goto(history_url)

    expect(page.get_by_role("textbox", name="Result")).to_contain_text(OUTCOME)
    expect(undecoded).to_have_count(0)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "temporal-ui-decoded.png")
