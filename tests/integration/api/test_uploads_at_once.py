"""Many uploads at a time: two are looked at, the others wait, and every other request is answered."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2 as httpx
import pytest

from adapters.ffmpeg import Ffmpeg, NotAVideo
from api.app import create_app
from api.uploads import MAX_UPLOADS
from estate.api_ports import LOOKS_AT_ONCE
from services.estate.records import QueuedTask
from tests.support.api_rig import Rig
from tests.support.waiting import DEADLINE_S, until

UPLOADS = 45


@dataclass
class SlowFfmpeg(Ffmpeg):
    """Looks at every file until `done`."""

    refuses: bool = True
    done: threading.Event = field(default_factory=threading.Event)
    looking: int = 0
    most: int = 0
    looked_at: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def duration_s(self, video: Path) -> float:
        assert video.exists()
        with self.lock:
            self.looking += 1
            self.most = max(self.most, self.looking)
        self.done.wait(DEADLINE_S)
        with self.lock:
            self.looking -= 1
            self.looked_at += 1
        if self.refuses:
            raise NotAVideo("ffmpeg finds no video in it")
        return 1.0


@dataclass
class HeldOutbox:
    """Stands for a broker that does not answer until `done`."""

    done: threading.Event = field(default_factory=threading.Event)
    sent: int = 0

    def send_after_commit(self, _task: QueuedTask) -> None:
        self.done.wait(DEADLINE_S)
        self.sent += 1


@pytest.fixture
def ffmpeg(rig: Rig) -> SlowFfmpeg:
    ffmpeg = SlowFfmpeg()
    videos = replace(rig.dependencies.videos, ffmpeg=ffmpeg)  # type: ignore[type-var]
    rig.dependencies = replace(rig.dependencies, videos=videos)
    return ffmpeg


@pytest.fixture
async def client(rig: Rig, ffmpeg: SlowFfmpeg) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001 - it changes the rig
    transport = httpx.ASGITransport(create_app(rig.dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", auth=rig.caller) as client:
        yield client


async def test_two_uploads_are_looked_at_and_other_requests_are_answered(
    client: httpx.AsyncClient, ffmpeg: SlowFfmpeg
) -> None:
    files = {"file": ("video", b"x" * 48_000)}
    uploads = [asyncio.create_task(client.post("/videos", files=files)) for _ in range(UPLOADS)]
    await until(lambda: ffmpeg.looking == LOOKS_AT_ONCE)

    async with asyncio.timeout(DEADLINE_S):
        answers = [await client.get("/orders") for _ in range(3)]
        assert ffmpeg.looking == LOOKS_AT_ONCE
        ffmpeg.done.set()
        refused = await asyncio.gather(*uploads)

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.status_code for answer in refused} == {422}
    assert (ffmpeg.most, ffmpeg.looked_at) == (LOOKS_AT_ONCE, UPLOADS)


async def test_a_broker_that_does_not_answer_keeps_only_the_jobs_waiting(rig: Rig, ffmpeg: SlowFfmpeg) -> None:
    outbox = HeldOutbox()
    rig.dependencies = replace(rig.dependencies, videos=replace(rig.dependencies.videos, task_outbox=outbox))  # type: ignore[type-var]
    ffmpeg.refuses = False
    ffmpeg.done.set()
    async with rig.client() as client:
        files = {"file": ("video", b"x")}
        uploads = [asyncio.create_task(client.post("/videos", files=files)) for _ in range(UPLOADS)]
        await until(lambda: ffmpeg.looked_at == UPLOADS)

        async with asyncio.timeout(DEADLINE_S):
            assert (await client.get("/orders")).status_code == 200
            outbox.done.set()
            accepted = await asyncio.gather(*uploads)

    assert {answer.status_code for answer in accepted} == {202}
    assert outbox.sent == UPLOADS


async def test_more_uploads_than_there_are_slots_are_refused_until_one_is_free(
    client: httpx.AsyncClient, ffmpeg: SlowFfmpeg
) -> None:
    files = {"file": ("video", b"x")}
    uploads = [asyncio.create_task(client.post("/videos", files=files)) for _ in range(MAX_UPLOADS)]
    await until(lambda: ffmpeg.looking == LOOKS_AT_ONCE)

    refused = await client.post("/videos", files=files)
    ffmpeg.done.set()
    await asyncio.gather(*uploads)

    assert (refused.status_code, refused.json()["type"]) == (503, "urn:twinsaga:problem:busy")
    assert int(refused.headers["Retry-After"]) > 0
    assert (await client.post("/videos", files=files)).status_code == 422
