"""The page with a keyboard, a screen reader, a phone, in the dark."""

import re
from dataclasses import asdict

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from domain.money import MINOR_UNIT_DIGITS, Money
from tests.browser.counter import SCREENSHOTS, Counter

PHONE = ViewportSize(width=360, height=780)
SERIOUS = {"serious", "critical"}


def full(counter: Counter) -> None:
    """Fill every part of the page."""
    counter.place(payment="tok_refundFlaky", postal_code="00000")
    for lane in counter.lanes:
        lane.shows("cancelled")
        lane.at.get_by_text("Events as a list").click()
    counter.panel("Audit").get_by_role("button", name="Run the audit").click()
    counter.panel("Dead letters").get_by_role("button", name="List").click()
    expect(counter.panel("Audit").get_by_text("orders checked")).to_be_visible()
    counter.process_is("payment-service", "running")


def violations_of(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in SERIOUS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_serious_accessibility_violation(page: Page, counter: Counter, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    assert violations_of(page) == []

    full(counter)

    assert violations_of(page) == []
    page.get_by_role("region", name="What happens").screenshot(path=SCREENSHOTS / f"lanes-{scheme}.png")


def test_on_a_phone_nothing_scrolls_sideways(page: Page, counter: Counter) -> None:
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")

    full(counter)

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    beyond = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > innerWidth + 1)"
        ".map(each => each.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    assert violations_of(page) == []
    counter.lane("choreographed").at.locator(".facts").scroll_into_view_if_needed()
    page.screenshot(path=SCREENSHOTS / "phone-dark.png")


def test_every_currency_is_shown_with_the_digits_of_its_minor_unit(page: Page) -> None:
    amounts = [Money(amount=123_405, currency=currency) for currency in MINOR_UNIT_DIGITS]
    show = """async (totals) => {
        const { money } = await import("/static/wording.js");
        return totals.map(money);
    }"""

    shown = page.evaluate(show, [asdict(amount) for amount in amounts])

    numbers = [re.sub(r"[^0-9.]", "", text) for text in shown]
    assert numbers == [str(amount).split()[0] for amount in amounts]


def test_in_the_dark_the_page_is_dark(page: Page) -> None:
    def brightness() -> float:
        colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour.strip("rgb()").split(",")))

    page.emulate_media(color_scheme="light")
    light = brightness()
    page.emulate_media(color_scheme="dark")

    assert (brightness() < 150, light > 600) == (True, True)


def test_the_keyboard_alone_places_an_order_and_cancels_it(page: Page, counter: Counter) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the two lanes")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Product")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("Pix")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Place order")).to_be_focused()
    page.keyboard.press("Enter")

    cancel = counter.lane("orchestrated").at.get_by_role("button", name="Cancel the order")
    expect(counter.lane("orchestrated").step("Charge payment")).to_contain_text("waiting")
    cancel.focus()
    page.keyboard.press("Enter")
    counter.lane("orchestrated").shows("cancelled")

    expect(counter.lane("orchestrated").at).to_be_focused()
