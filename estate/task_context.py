"""The clients and stores of the tasks. Each process opens its own, because no connection survives a fork."""

import os
from dataclasses import dataclass
from datetime import timedelta

from redis import Redis

from adapters.ffmpeg import Ffmpeg
from adapters.mail import MailServer
from adapters.sql.estate import Estate
from adapters.storage import Storage
from estate.database import open_estate
from estate.mail_claims import MailClaims
from estate.process_video import VideoWork
from estate.task_outbox import TaskOutbox
from estate.video_workflows import VideoWorkflows
from runtime import parent_death
from runtime.settings import Settings
from runtime.wiring import Services, open_services

ABANDONED_AFTER = timedelta(days=1)
"""Longer than any video takes, its wait in the queue included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    settings: Settings
    estate: Estate
    mail_server: MailServer
    mail_claims: MailClaims
    videos: VideoWork
    task_outbox: TaskOutbox
    services: Services

    def clean_up(self) -> None:
        self.estate.fail_videos(ABANDONED_AFTER)
        self.estate.forget_old()
        self.videos.remove_left_overs()


class TaskContexts:
    """The context of each process, opened by the first task that runs there."""

    def __init__(self, settings: Settings, workflows: VideoWorkflows) -> None:
        self._settings = settings
        self._workflows = workflows
        self._opened: dict[int, TaskContext] = {}

    def current(self) -> TaskContext:
        # No lock: a child of the prefork pool runs its tasks on one thread.
        if os.getpid() not in self._opened:
            self._opened[os.getpid()] = self._open()
        return self._opened[os.getpid()]

    def _open(self) -> TaskContext:
        settings = self._settings
        estate, _ = open_estate(settings)
        videos = VideoWork(
            estate=estate,
            ffmpeg=Ffmpeg(parent_death.command_prefix(), cpu_s=settings.task_time_limit_seconds),
            storage=Storage(settings.video_storage_url),
            folder=settings.videos_dir,
            silent_for=timedelta(seconds=settings.video_silent_seconds),
        )
        host, _, port = settings.smtp_address.rpartition(":")
        return TaskContext(
            settings=settings,
            estate=estate,
            mail_claims=MailClaims(Redis.from_url(settings.own_redis_url, socket_timeout=5, socket_connect_timeout=2)),
            mail_server=MailServer(host=host, port=int(port), sender=settings.mail_from),
            videos=videos,
            task_outbox=TaskOutbox(settings, estate, self._workflows.start),
            services=open_services(settings, publish=False),
        )
