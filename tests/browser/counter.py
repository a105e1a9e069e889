"""A user of the page, who finds elements by their labels."""

import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

SCREENSHOTS = Path(__file__).parents[2] / "var" / "screenshots"


@dataclass(frozen=True)
class Counter:
    page: Page

    def place(
        self,
        *,
        product: str | None = None,
        quantity: int | None = None,
        payment: str = "tok_visa",
        postal_code: str | None = None,
        style: str = "Both, side by side",
    ) -> None:
        """Fill in the form and press the button. The lanes show the order when this returns."""
        form = self.page.get_by_role("region", name="Place an order")
        if product is not None:
            form.get_by_label("Product").select_option(label=product)
        if quantity is not None:
            form.get_by_label("Quantity").fill(str(quantity))
        form.get_by_label("Payment").select_option(payment)
        if postal_code is not None:
            form.get_by_label("Postal code").fill(postal_code)
        form.get_by_label(style).check()
        before = self.page.url
        form.get_by_role("button", name="Place order").click()
        expect(self.page).not_to_have_url(before)

    def lane(self, style: str) -> "LaneSeen":
        return LaneSeen(self.page.get_by_role("article", name=style.capitalize()))

    @property
    def lanes(self) -> "list[LaneSeen]":
        return [self.lane("orchestrated"), self.lane("choreographed")]

    def panel(self, title: str) -> Locator:
        return self.page.get_by_role("region", name=title)

    def process_is(self, name: str, state: str) -> None:
        """Wait until the list of processes shows this state."""
        row = self.panel("Break something").get_by_role("listitem").filter(has_text=name)
        expect(row.get_by_text(state, exact=True)).to_be_visible()


@dataclass(frozen=True)
class LaneSeen:
    at: Locator

    @property
    def order_id(self) -> str:
        """Wait for it: the lane is empty until the order is placed."""
        shown = self.at.locator(".id")
        expect(shown).to_have_text(re.compile("^[0-9a-f-]{36}$"))
        return shown.inner_text()

    def shows(self, status: str, reason: str | None = None) -> None:
        expect(self.at.locator(".status")).to_have_text(status)
        if reason is not None:
            expect(self.at.locator(".reason")).to_contain_text(reason)

    def step(self, name: str) -> Locator:
        return self.at.get_by_role("listitem").filter(has_text=re.compile(f"{name}"))

    def steps(self) -> dict[str, str]:
        """The visible rows: the step and its state."""
        rows = self.at.locator("[data-step]:visible").all()
        return {row.get_attribute("data-step") or "": row.get_attribute("data-state") or "" for row in rows}

    def press(self, name: str) -> None:
        self.at.get_by_role("button", name=name).click()

    def offers(self) -> list[str]:
        return [button.inner_text() for button in self.at.locator("button[data-act]:visible").all()]

    def messages(self, kind: str = "") -> list[str]:
        return self.at.locator(f".messages .message{kind} text").all_text_contents()
