"""The course's Celery estate, seen through the API, the mail server and Celery's own callers."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2 as httpx
import pytest
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow

from comparison.scenarios import SCENARIOS
from estate.schedules import FORGET
from tests.support.estate import Estate, length_s, make_video
from tests.support.shop import Shop
from tests.support.stack import Json, Stack, parent_of
from tests.support.waiting import eventually, soon

CONFIRMED, CANCELLED = "Your order is confirmed", "Your order is cancelled"


@pytest.fixture
def estate(stack: Stack) -> Iterator[Estate]:
    with stack.client() as client:
        estate = Estate(stack, client)
        yield estate
        estate.celery.close()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "short.mkv", seconds=2)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "long.mkv", seconds=30, size="1280x720")


@pytest.fixture(scope="module")
def middling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be killed while it runs, and short enough to run again."""
    return make_video(tmp_path_factory.mktemp("video") / "middling.mkv", seconds=12, size="640x360")


@pytest.fixture
def address() -> str:
    return f"ana.{uuid4().hex}@example.com"


def order_of(shop: Shop, customer: str, **changes: object) -> Json:
    return shop.prepared(SCENARIOS["ok"]) | {"customer_id": customer} | changes


def test_a_new_user_gets_a_welcome_mail(estate: Estate, address: str) -> None:
    answer = estate.user("Ana", address)

    assert answer.status_code == httpx.codes.CREATED
    assert estate.client.get(answer.headers["Location"]).json() == answer.json()
    (mail,) = estate.await_mails(address, {"Welcome!"})
    assert "Hello Ana" in mail["body"]


def test_the_same_key_is_one_user_and_one_mail(estate: Estate, address: str) -> None:
    key = uuid4().hex

    first, again = estate.user("Ana", address, key), estate.user("Ana", address, key)
    other = estate.user("Eva", address, key)

    assert (again.json(), again.status_code) == (first.json(), httpx.codes.CREATED)
    assert other.status_code == httpx.codes.UNPROCESSABLE_CONTENT
    estate.await_mails(address, {"Welcome!"})
    later = f"later.{address}"
    estate.customer(later)
    estate.await_mails(later, {"Welcome!"})
    assert len(estate.mails(address)) == 1


@pytest.mark.parametrize("email", ["nobody", "a@b@c", "ana@exa mple.com", "ana@example.com\r\nBcc: all@example.com"])
def test_an_invalid_address_is_refused(estate: Estate, email: str) -> None:
    answer = estate.user("Ana", email)

    assert answer.status_code == httpx.codes.UNPROCESSABLE_CONTENT
    assert [error["field"] for error in answer.json()["errors"]] == ["email"]


@pytest.mark.embedded("freezes the embedded Redis; tests/real/test_servers_away.py kills the real one")
def test_with_redis_away_a_user_is_stored_at_once_and_mailed_later(estate: Estate, address: str) -> None:
    redis = estate.stack.ready["processes"]["redis"]
    os.kill(redis, signal.SIGSTOP)
    try:
        answer = estate.user("Ana", address)
    finally:
        os.kill(redis, signal.SIGCONT)

    assert answer.status_code == httpx.codes.CREATED, answer.text
    assert len(estate.await_mails(address, {"Welcome!"}, 60.0)) == 1


def test_a_mail_waits_for_its_server(estate: Estate, address: str) -> None:
    server = estate.stack.ready["processes"]["mail"]
    os.kill(server, signal.SIGSTOP)
    try:
        estate.customer(address)
    finally:
        os.kill(server, signal.SIGCONT)

    assert len(estate.await_mails(address, {"Welcome!"}, 60.0)) == 1


@pytest.mark.parametrize("engine", ["celery", "temporal"])
def test_a_video_is_compressed_and_stored(estate: Estate, short: Path, engine: str) -> None:
    answer = estate.upload(short, engine=engine)

    assert answer.status_code == httpx.codes.ACCEPTED
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    video = estate.await_video(answer.json()["id"])
    assert (video["status"], video["progress"], video["attempts"]) == ("done", 100, 1), video
    stored = Path(urlsplit(video["url"]).path)
    assert video["size_before"] == short.stat().st_size > video["size_after"] == stored.stat().st_size
    assert length_s(stored) == pytest.approx(2.0, abs=0.2)
    assert list((estate.stack.data / "videos").iterdir()) == []


@pytest.mark.parametrize("engine", ["celery", "temporal"])
def test_a_cancelled_video_is_not_processed_any_further(estate: Estate, long: Path, engine: str) -> None:
    video_id = estate.uploaded(long, engine=engine)
    eventually(lambda: 0 < estate.video(video_id)["progress"] < 100, "it is under way", 60.0)

    answer = estate.client.post(f"/videos/{video_id}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (httpx.codes.ACCEPTED, "cancelled")
    assert not (estate.stack.data / "videos" / video_id).exists()
    assert estate.client.post(f"/videos/{video_id}/cancel").status_code == httpx.codes.CONFLICT
    eventually(lambda: ffmpegs(video_id) == [], "its ffmpeg is gone")
    assert estate.video(video_id)["status"] == "cancelled"
    assert not (estate.stack.data / "storage" / f"{video_id}.mp4").exists()


@pytest.mark.parametrize("victim", ["the child", "the worker"])
def test_a_video_survives_the_death_of_its_worker(estate: Estate, middling: Path, victim: str) -> None:
    video_id = estate.uploaded(middling)
    (ffmpeg,) = eventually(lambda: ffmpegs(video_id) or None, "it is under way", 60.0)

    if victim == "the child":
        os.kill(parent_of(ffmpeg), signal.SIGKILL)
    else:
        estate.stack.kill("video-worker")

    eventually(lambda: ffmpeg not in ffmpegs(video_id), "its ffmpeg died with it")
    video = estate.await_video(video_id, deadline_s=180.0)
    assert video["status"] == "done", video
    assert video["attempts"] >= 2, video


def test_a_failed_upload_to_the_storage_is_retried(estate: Estate, short: Path) -> None:
    storage = estate.stack.data / "storage"
    aside = storage.rename(storage.with_name("aside")) if storage.exists() else None
    storage.write_text("in the way")
    try:
        video_id = estate.uploaded(short)
        eventually(lambda: estate.video(video_id)["attempts"] > 1, "it is tried again", 30.0)
    finally:
        storage.unlink()
        if aside is not None:
            aside.rename(storage)

    assert estate.await_video(video_id)["status"] == "done"


def test_after_three_retries_a_video_has_failed(estate: Estate, short: Path) -> None:
    storage = estate.stack.data / "storage"
    aside = storage.rename(storage.with_name("aside")) if storage.exists() else None
    storage.write_text("in the way")
    try:
        video = estate.await_video(estate.uploaded(short))
    finally:
        storage.unlink()
        if aside is not None:
            aside.rename(storage)

    assert (video["status"], video["attempts"]) == ("failed", 4), video
    assert "storage" in video["error"]


def test_a_file_that_is_not_a_video_is_refused(estate: Estate, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video, whatever its name says\n" * 100)

    answers = [estate.upload(text), estate.client.post("/videos", data={"file": "x"}), estate.client.post("/videos")]

    assert [answer.status_code for answer in answers] == [httpx.codes.UNPROCESSABLE_CONTENT] * 3
    assert {error["field"] for answer in answers for error in answer.json()["errors"]} == {"file"}


def test_a_video_that_is_too_large_is_refused(estate: Estate) -> None:
    answer = estate.client.post("/videos", files={"file": ("large.mp4", b"x" * (31 << 20))})

    assert answer.status_code == httpx.codes.CONTENT_TOO_LARGE


def test_the_customer_gets_a_mail_when_the_order_is_confirmed(
    estate: Estate, shop: Shop, style: str, address: str
) -> None:
    order_id = shop.place(order_of(shop, estate.customer(address)), style)

    mails = estate.await_mails(address, {"Welcome!", CONFIRMED})

    assert len(mails) == 2
    assert any(order_id in mail["body"] for mail in mails)


def test_the_customer_gets_a_mail_with_the_reason_when_the_order_is_cancelled(
    estate: Estate, shop: Shop, style: str, address: str
) -> None:
    card = {"method": "card", "token": "tok_chargeDeclined"}
    shop.place(order_of(shop, estate.customer(address), payment=card), style)

    mails = estate.await_mails(address, {"Welcome!", CANCELLED})

    assert [mail["body"] for mail in mails if "payment declined" in mail["body"]]


def test_existing_callers_place_an_order_with_celery(estate: Estate, shop: Shop, address: str) -> None:
    task_id = str(uuid4())
    order = order_of(shop, estate.customer(address))

    results = [estate.call("twinsaga.place_order", order, task_id=task_id) for _ in range(2)]

    outcome = results[0].get(timeout=30)
    assert outcome == {"order_id": outcome["order_id"], "status": "confirmed", "reason": None}
    assert shop.order(outcome["order_id"])["status"] == "confirmed"
    assert len([m for m in estate.await_mails(address, {CONFIRMED}) if m["subject"] == CONFIRMED]) == 1


def test_an_order_that_celery_places_can_be_refused(estate: Estate, shop: Shop) -> None:
    order = order_of(shop, "somebody", payment={"method": "card", "token": "tok_chargeDeclined"})

    outcome = estate.call("twinsaga.place_order", order).get(timeout=30)

    assert (outcome["status"], outcome["reason"]) == ("cancelled", "payment_declined")


def test_an_invalid_order_fails_its_task(estate: Estate) -> None:
    result = estate.call("twinsaga.place_order", {"customer_id": "somebody"})

    with pytest.raises(Exception, match=r"lines: Field required"):
        result.get(timeout=30)


def test_flower_shows_the_worker(estate: Estate) -> None:
    def look() -> bool:
        return "celery@" in httpx.get(estate.stack.ready["flower"], follow_redirects=True, timeout=10.0).text

    eventually(look, "Flower shows the worker", 30.0, every_s=0.2)


def test_flower_shows_a_task_that_a_workflow_answers(estate: Estate, shop: Shop) -> None:
    task = estate.call("twinsaga.place_order", order_of(shop, "somebody"))

    def look() -> bool:
        page = httpx.get(f"{estate.stack.ready['flower']}/task/{task.id}", timeout=10.0)
        return page.is_success and "twinsaga.place_order" in page.text

    eventually(look, "Flower shows the task", every_s=0.2)
    assert task.get(timeout=60)["status"] == "confirmed"


def ffmpegs(video_id: str) -> list[int]:
    """Return the ffmpeg processes that compress the video."""
    return [pid for pid, command in commands() if "ffmpeg" in command and video_id in command and "libx264" in command]


def commands() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue


async def test_a_temporal_schedule_has_old_records_deleted_by_a_celery_task(stack: Stack) -> None:
    client = await Client.connect(stack.ready["temporal"], namespace=stack.settings().temporal_namespace)
    schedule = client.get_schedule_handle(FORGET)

    await schedule.trigger()

    shown = await soon(schedule.describe, lambda shown: len(shown.info.recent_actions) > 0)
    action = shown.info.recent_actions[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    run = client.get_workflow_handle(action.workflow_id, run_id=action.first_execution_run_id)
    async with asyncio.timeout(60):
        await run.result()
