"""What the tasks work with: opened once in each process, since no connection survives a fork."""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import time

from adapters.ffmpeg import Ffmpeg
from adapters.mail import MailServer
from adapters.sql.estate import Estate
from adapters.storage import Storage
from estate.database import open_estate
from estate.process_video import VideoWork
from estate.task_outbox import TaskOutbox
from estate.video_workflows import VideoWorkflows
from runtime import parent_death
from runtime.settings import Settings
from runtime.wiring import Services, open_services
from services.estate.records import OPEN

FORSAKEN = timedelta(days=1)
"""By then even a video that waited long is at its end, and a file without one belongs to nobody."""


def mail_server(settings: Settings) -> MailServer:
    host, _, port = settings.smtp_address.rpartition(":")
    return MailServer(host=host, port=int(port), sender=settings.mail_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    settings: Settings
    estate: Estate
    mail_server: MailServer
    videos: VideoWork
    handing_over: TaskOutbox
    services: Services

    def clean_up(self) -> None:
        self.estate.give_up_videos(FORSAKEN)
        self.estate.forget_old()
        for file in self.settings.videos_dir.glob("*"):
            if file.stat().st_mtime < time() - FORSAKEN.total_seconds() and not self._is_wanted(file):
                file.unlink(missing_ok=True)

    def _is_wanted(self, file: Path) -> bool:
        video = self.estate.video(file.name)
        return video is not None and video.status in OPEN


class WorkPerProcess:
    def __init__(self, settings: Settings, workflows: VideoWorkflows) -> None:
        self._settings = settings
        self._workflows = workflows
        self._opened: dict[int, TaskContext] = {}

    def here(self) -> TaskContext:
        """A child of the prefork pool has one thread, so that nobody else is opening meanwhile."""
        if os.getpid() not in self._opened:
            self._opened[os.getpid()] = self._open()
        return self._opened[os.getpid()]

    def _open(self) -> TaskContext:
        settings = self._settings
        estate, _ = open_estate(settings)
        videos = VideoWork(
            estate=estate,
            ffmpeg=Ffmpeg(command_prefix=parent_death.command_prefix()),
            storage=Storage(settings.video_storage_url),
            folder=settings.videos_dir,
            silent=timedelta(seconds=settings.video_silent_seconds),
        )
        return TaskContext(
            settings=settings,
            estate=estate,
            mail_server=mail_server(settings),
            videos=videos,
            handing_over=TaskOutbox(settings, estate, self._workflows.start),
            services=open_services(settings, publish=False),
        )
