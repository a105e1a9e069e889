"""Client of a running stack for its mails, its videos and its Celery tasks."""

import subprocess
from pathlib import Path
from typing import Any

import httpx2 as httpx
from celery import Celery
from imageio_ffmpeg import get_ffmpeg_exe

from tests.support.stack import Json, Stack
from tests.support.waiting import eventually

VIDEO_ENDS = {"done", "failed", "cancelled"}


class Estate:
    def __init__(self, stack: Stack, client: httpx.Client) -> None:
        self.stack = stack
        self.client = client
        redis = stack.ready["redis"]
        self.celery = Celery("callers", broker=f"{redis}/0", backend=f"{redis}/1")

    def user(self, name: str, email: str, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.client.post("/users", json={"name": name, "email": email}, headers=headers)

    def customer(self, email: str) -> str:
        answer = self.user("Ana", email)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        user_id: str = answer.json()["id"]
        return user_id

    def mails(self, to: str) -> list[Json]:
        answer = httpx.get(f"{self.stack.ready['mail']}/mails", params={"to": to}, timeout=10.0)
        answer.raise_for_status()
        mails: list[Json] = answer.json()["mails"]
        return mails

    def await_mails(self, to: str, subjects: set[str], deadline_s: float = 60.0) -> list[Json]:
        def look() -> bool:
            return {mail["subject"] for mail in self.mails(to)} >= subjects

        eventually(look, f"{to} has mail: {subjects}", deadline_s, every_s=0.1)
        return self.mails(to)

    def upload(self, video: Path, **asked: str) -> httpx.Response:
        with video.open("rb") as file:
            return self.client.post("/videos", files={"file": (video.name, file)}, params=asked)

    def uploaded(self, video: Path, **asked: str) -> str:
        answer = self.upload(video, **asked)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        video_id: str = answer.json()["id"]
        return video_id

    def video(self, video_id: str) -> Json:
        answer = self.client.get(f"/videos/{video_id}")
        answer.raise_for_status()
        shown: Json = answer.json()
        return shown

    def await_video(self, video_id: str, statuses: set[str] | None = None, deadline_s: float = 60.0) -> Json:
        def look() -> Json | None:
            shown = self.video(video_id)
            return shown if shown["status"] in (statuses or VIDEO_ENDS) else None

        return eventually(look, f"video {video_id} is {statuses or 'at its end'}", deadline_s, every_s=0.05)

    def call(self, task: str, *args: object, task_id: str | None = None) -> Any:  # noqa: ANN401 - an AsyncResult
        return self.celery.send_task(task, args, task_id=task_id, queue="twinsaga")


def make_video(file: Path, *, seconds: int, size: str = "320x240") -> Path:
    source = f"testsrc2=duration={seconds}:size={size}:rate=25"
    command = [get_ffmpeg_exe(), "-y", "-v", "error", "-f", "lavfi", "-i", source]
    command += ["-c:v", "mpeg4", "-q:v", "3", "-f", "matroska", str(file)]
    subprocess.run(command, check=True, timeout=60)  # noqa: S603 - the wheel's ffmpeg
    return file


def length_s(file: Path) -> float:
    from adapters.ffmpeg import Ffmpeg  # noqa: PLC0415

    return Ffmpeg().duration_s(file)
