"""The page in Portuguese: for a browser that asks for it, or by the switch."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DEADLINE_MS
from tests.browser.counter import SCREENSHOTS
from tests.browser.test_for_everyone import PHONE, violations_of
from tests.support.stack import Stack


@pytest.fixture
def portuguese(browser: Browser, stack: Stack) -> Iterator[Page]:
    context = browser.new_context(base_url=stack.ready["api"], locale="pt-BR", reduced_motion="reduce")
    context.set_default_timeout(DEADLINE_MS)
    expect.set_options(timeout=DEADLINE_MS)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/")
    yield page
    context.close()
    assert errors == []


def test_the_page_speaks_portuguese_until_the_user_switches_to_english(portuguese: Page) -> None:
    page = portuguese
    form = page.get_by_role("region", name="Fazer um pedido")
    form.get_by_label("Pagamento").select_option("tok_visa")
    form.get_by_label("CEP").fill("00000")
    form.get_by_role("button", name="Fazer pedido").click()
    for style in ("Orquestrado", "Coreografado"):
        lane = page.get_by_role("article", name=style)
        expect(lane.locator(".status")).to_have_text("cancelado")
        expect(lane.locator(".reason")).to_have_text("Endereço sem entrega")
        expect(lane.get_by_role("listitem").filter(has_text="Estornar pagamento").first).to_contain_text("feito")
    assert page.locator("html").get_attribute("lang") == "pt-BR"
    assert violations_of(page) == []
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "portuguese.png", full_page=True)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]

    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("article", name="Choreographed").locator(".status")).to_have_text("cancelled")
    page.goto("/")
    expect(page.get_by_role("heading", name="Place an order")).to_be_visible()
