"""The page under a name that is not this machine's: it works after a user has signed in with an API key."""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import SHOP
from tests.browser.counter import SCREENSHOTS, Counter
from tests.browser.test_for_everyone import violations_of
from tests.support.stack import Stack


def test_a_user_signs_in_places_orders_and_signs_out(context: BrowserContext, stack: Stack) -> None:
    page = context.new_page()
    page.goto(f"http://{SHOP}:{urlsplit(stack.ready['api']).port}/")
    form = page.get_by_role("region", name="Sign in")
    form.get_by_label("API key").fill("twinsaga_wrong")
    form.get_by_role("button", name="Sign in").click()
    expect(form.get_by_role("alert")).to_have_text("This API key is not valid. It may be revoked or incomplete.")
    assert violations_of(page) == []
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "sign-in.png")

    form.get_by_label("API key").fill(stack.ready["api_key"])
    form.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Signed in as development")).to_be_visible()
    counter = Counter(page)
    counter.place()
    for lane in counter.lanes:
        lane.shows("confirmed")
    assert violations_of(page) == []
    page.screenshot(path=SCREENSHOTS / "signed-in.png")

    page.get_by_role("button", name="Sign out").click()
    expect(form.get_by_label("API key")).to_be_visible()
    assert context.cookies() == []
