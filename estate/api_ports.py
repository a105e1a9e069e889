"""Users and videos for the API: implements the protocols of `api.dependencies`."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from adapters.ffmpeg import Ffmpeg, NotAVideo
from adapters.sql.estate import Estate
from estate.task_outbox import TaskOutbox
from estate.video_workflows import VideoWorkflows
from runtime.settings import Settings
from services.estate.mails import welcome
from services.estate.records import QueuedTask, User, Video, VideoEngine, VideoStatus
from services.estate.task_names import PROCESS_VIDEO

log = structlog.get_logger(__name__)

VIDEO_WORKFLOW = "ProcessVideo"
LOOKS_AT_ONCE = 2


def job_of(video: Video) -> QueuedTask:
    """Return the task or workflow of a video. Its id is derived from the video: a second start is a duplicate."""
    by_workflow = video.engine is VideoEngine.TEMPORAL
    return QueuedTask(
        task_id=f"video/{video.video_id}" if by_workflow else video.video_id,
        task=VIDEO_WORKFLOW if by_workflow else PROCESS_VIDEO,
        arguments=(video.video_id,),
        engine=video.engine,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateAccounts:
    estate: Estate
    task_outbox: TaskOutbox

    def register(self, user: User) -> User:
        return self.estate.register(user, welcome(user))

    def find(self, user_id: str) -> User | None:
        return self.estate.user(user_id)

    def send_promised_mail(self, user: User) -> None:
        self.task_outbox.send_after_commit(welcome(user))


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateVideos:
    settings: Settings
    estate: Estate
    task_outbox: TaskOutbox
    workflows: VideoWorkflows
    ffmpeg: Ffmpeg = field(default_factory=Ffmpeg)
    sends: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKS_AT_ONCE))

    @property
    def max_bytes(self) -> int:
        return self.settings.max_video_bytes

    def place_for(self, video_id: str) -> Path:
        folder = self.settings.videos_dir
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / video_id

    async def why_no_video(self, file: Path) -> str | None:
        # Not in the thread pool of the API: there, a few dozen uploads would keep every other request waiting.
        async with self.looks:
            return await asyncio.to_thread(self._why_no_video, file)

    def _why_no_video(self, file: Path) -> str | None:
        try:
            self.ffmpeg.duration_s(file)
        except NotAVideo as error:
            return str(error)
        return None

    def take_in(self, video: Video) -> Video:
        return self.estate.add_video(video, job_of(video))

    async def start_promised_job(self, video: Video) -> None:
        # As above; an engine that is away is waited for once, and then not asked for a while.
        async with self.sends:
            await asyncio.to_thread(self.task_outbox.send_after_commit, job_of(video))

    def find(self, video_id: str) -> Video | None:
        return self.estate.video(video_id)

    def cancel(self, video: Video) -> bool:
        cancelled = self.estate.change_open_video(video.video_id, status=VideoStatus.CANCELLED)
        if cancelled:  # its worker, if it has begun, keeps the file open
            self.place_for(video.video_id).unlink(missing_ok=True)
        return cancelled

    def stop_job(self, video: Video) -> None:
        # The job stops by itself: it reads the record twice a second. The engine learns it so that its page shows why.
        job = job_of(video)
        try:
            if video.engine is VideoEngine.TEMPORAL:
                self.workflows.cancel(job.task_id)
            else:
                self.task_outbox.celery().control.revoke(job.task_id)
        except Exception as error:  # noqa: BLE001 - whatever failed, the job stops
            log.warning("engine not notified of a cancelled video", video_id=video.video_id, error=repr(error))
