"""The key of the embedded stack, and the keys that `twinsaga keys` makes, as a user meets them."""

import subprocess
from functools import partial

import httpx2 as httpx

from tests.support.shop import Shop
from tests.support.stack import TWINSAGA, Stack
from tests.support.waiting import eventually


def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own program
        [str(TWINSAGA), *arguments],
        env={"PATH": "/usr/bin:/bin", **{f"TWINSAGA_{name}": value for name, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_stack_prints_its_key_and_writes_it_for_our_user_alone(stack: Stack) -> None:
    key = stack.ready["api_key"]

    assert key in stack.printed
    assert stack.ready["webhook_secret"] not in stack.printed
    for file in (stack._ready_file, *(stack.data / "run").glob("*.json")):
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_the_page_and_the_commands_use_it_without_asking(shop: Shop, stack: Stack) -> None:
    api = stack.ready["api"]
    with httpx.Client(base_url=api, timeout=20.0) as browser:
        refused = browser.get("/orders")
        browser.get("/").raise_for_status()
        listed = browser.get("/orders")
    by_command = run("order", "list", "--api", api, DATA_DIR=str(stack.data))
    elsewhere = run("order", "list", "--api", api, DATA_DIR=str(stack.data / "nowhere"))

    assert (refused.status_code, listed.status_code) == (401, 200)
    assert by_command.returncode == 0, by_command.stderr
    assert elsewhere.returncode == 1
    assert "set TWINSAGA_API_KEY" in elsewhere.stderr
    assert shop.client.get("/orders").status_code == 200


def test_a_key_works_from_the_moment_it_is_made_until_it_is_revoked(stack: Stack) -> None:
    ready_file = str(stack._ready_file)
    made = run(
        "keys", "make", "Ana's phone", "--role", "customer", "--customer", "a new customer", "--ready-file", ready_file
    )
    key = made.stdout.strip()
    key_id = key.split("_")[1]

    with httpx.Client(base_url=stack.ready["api"], timeout=20.0, headers={"Authorization": f"Bearer {key}"}) as ana:
        assert ana.get("/orders").json() == {"items": [], "next_cursor": None}
        assert ana.get("/audit").status_code == 403

        listed = run("keys", "list", "--ready-file", ready_file)
        assert key_id in listed.stdout
        assert key not in listed.stdout
        assert run("keys", "revoke", key_id, "--ready-file", ready_file).returncode == 0
        eventually(partial(is_refused, ana), "the key is refused")
    again = run("keys", "revoke", key_id, "--ready-file", ready_file)
    assert (again.returncode, "no valid key has the id" in again.stderr) == (1, True)


def is_refused(client: httpx.Client) -> bool:
    return client.get("/orders").status_code == 401
