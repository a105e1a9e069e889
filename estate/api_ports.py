"""The estate as the API needs it, on the real things."""

from dataclasses import dataclass
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


def job_of(video: Video) -> QueuedTask:
    """A task and a workflow have their ids from the video."""
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
    handing_over: TaskOutbox

    def register(self, user: User) -> User:
        return self.estate.register(user, welcome(user))

    def find(self, user_id: str) -> User | None:
        return self.estate.user(user_id)

    def send_promised_mail(self, user: User) -> None:
        self.handing_over.right_after_commit(welcome(user))


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateVideos:
    settings: Settings
    estate: Estate
    handing_over: TaskOutbox
    workflows: VideoWorkflows

    @property
    def max_bytes(self) -> int:
        return self.settings.max_video_bytes

    def place_for(self, video_id: str) -> Path:
        folder = self.settings.videos_dir
        folder.mkdir(parents=True, exist_ok=True)
        return folder / video_id

    def why_no_video(self, file: Path) -> str | None:
        try:
            Ffmpeg().duration_s(file)
        except NotAVideo as why:
            return str(why)
        return None

    def take_in(self, video: Video) -> Video:
        return self.estate.take_in(video, job_of(video))

    def start_promised_job(self, video: Video) -> None:
        self.handing_over.right_after_commit(job_of(video))

    def find(self, video_id: str) -> Video | None:
        return self.estate.video(video_id)

    def cancel(self, video: Video) -> bool:
        return self.estate.change_open_video(video.video_id, status=VideoStatus.CANCELLED)

    def stop_job(self, video: Video) -> None:
        """The record has stopped it: the job reads that twice a second. Telling the engine shows there why it ended."""
        job = job_of(video)
        try:
            if video.engine is VideoEngine.TEMPORAL:
                self.workflows.cancel(job.task_id)
            else:
                self.handing_over.celery().control.revoke(job.task_id)
        except Exception as error:  # noqa: BLE001 - whatever it was, the job stops
            log.warning("an engine was not told of a cancelled video", video_id=video.video_id, error=repr(error))
