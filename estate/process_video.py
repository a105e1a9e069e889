"""The work of `twinsaga.process_video`: compress an upload and store the result."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import time
from uuid import UUID

from adapters.clock import utc_now
from adapters.ffmpeg import Ffmpeg, NotAVideo
from adapters.sql.estate import Estate
from adapters.storage import Storage
from services.estate.records import OPEN, Video, VideoStatus

MAX_ATTEMPTS = 10
"""After this many lost workers, assume that the video itself kills them."""
ORPHANED_AFTER = timedelta(hours=1)
"""Longer than an upload waits between two chunks, and for its record."""


class VideoElsewhere(Exception):
    """Another attempt is processing the video."""


Progress = Callable[[int], None]


class VideoCancelled(Exception):
    """The video was cancelled, or has ended otherwise."""


class VideoGivenUp(Exception):
    """A retry does not help."""


def parsed_id(video_id: object) -> str:
    """Raises VideoGivenUp: no video has such an id."""
    try:
        return str(UUID(str(video_id)))
    except ValueError:
        raise VideoGivenUp("not the id of a video") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoWork:
    estate: Estate
    ffmpeg: Ffmpeg
    storage: Storage
    folder: Path
    silent_for: timedelta

    def compress_and_store(self, video_id: str, progress: Progress, *, redelivered: bool) -> Mapping[str, object]:
        """Repeatable after any crash. Only the latest attempt continues: an older one stops at its next report.

        Raises:
            VideoElsewhere: ignore this copy of the task.
            VideoCancelled, VideoGivenUp, NotAVideo: final.
            Fault, OSError: retry.
        """
        # A redelivered task means that its worker died. Any other copy of a live task comes from the outbox: drop it.
        if not redelivered and self._is_alive(video_id):
            raise VideoElsewhere(video_id)
        video = self.estate.begin_video(video_id)
        if video is None:
            return self._ended(video_id)
        if video.attempts > MAX_ATTEMPTS:
            raise VideoGivenUp(f"{MAX_ATTEMPTS} attempts were lost with their workers")
        # One file for each attempt: an attempt that is only presumed dead may still be writing its own.
        compressed = self.folder / f"{video_id}.{video.attempts}.mp4"
        try:
            self.ffmpeg.compress(
                self.folder / video_id, compressed, lambda percent: self._report(video, percent, progress)
            )
            self._report(video, 99, progress)
            size = compressed.stat().st_size
            stored_at = self.storage.store(compressed, f"{video_id}.mp4")
        except NotAVideo:
            if not self.is_open(video_id):  # cancelled, and its upload was removed before we opened it
                raise VideoCancelled(video_id) from None
            raise
        finally:
            compressed.unlink(missing_ok=True)
        done = {"status": VideoStatus.DONE, "percent": 100, "size_after": size, "stored_at": stored_at, "error": None}
        self.estate.change_open_video(video_id, video.attempts, **done)
        return self._ended(video_id)

    def will_be_retried(self, video_id: str, error: str) -> None:
        self.estate.change_open_video(video_id, status=VideoStatus.QUEUED, error=error)

    def failed(self, video_id: str, error: str) -> None:
        self.estate.change_open_video(video_id, status=VideoStatus.FAILED, error=error)
        self._remove_upload(video_id)

    def remove_left_overs(self) -> None:
        """Remove the files of videos that have ended, and uploads that never became a video."""
        for file in self.folder.glob("*"):
            video = self.estate.video(file.name.partition(".")[0])
            with suppress(FileNotFoundError):
                if video is None:
                    left_over = file.stat().st_mtime < time() - ORPHANED_AFTER.total_seconds()
                else:
                    left_over = video.status not in OPEN
                if left_over:
                    file.unlink()

    def _report(self, video: Video, percent: int, progress: Progress) -> None:
        state = {"percent": percent, "alive_at": utc_now(), "status": VideoStatus.PROCESSING}
        if not self.estate.change_open_video(video.video_id, video.attempts, **state):
            raise VideoElsewhere(video.video_id) if self.is_open(video.video_id) else VideoCancelled(video.video_id)
        progress(percent)

    def is_open(self, video_id: str) -> bool:
        video = self.estate.video(video_id)
        return video is not None and video.status in OPEN

    def _remove_upload(self, video_id: str) -> None:
        # Only that of a known video: anybody can send a task, with any text as the id, also a path.
        if self.estate.video(video_id) is not None:
            (self.folder / video_id).unlink(missing_ok=True)

    def _is_alive(self, video_id: str) -> bool:
        video = self.estate.video(video_id)
        if video is None or video.status is not VideoStatus.PROCESSING or video.alive_at is None:
            return False
        return utc_now() - video.alive_at < self.silent_for

    def _ended(self, video_id: str) -> Mapping[str, object]:
        video = self.estate.video(video_id)
        if video is None:
            raise VideoGivenUp("no video has this id")
        self._remove_upload(video_id)
        if video.status is not VideoStatus.DONE:
            raise VideoCancelled(f"{video_id} is {video.status}")
        return {
            "video_id": video_id,
            "size_before": video.size_before,
            "size_after": video.size_after,
            "stored_at": video.stored_at,
        }
