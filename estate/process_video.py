"""What `twinsaga.process_video` does: compress an upload, and hand it to the storage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from adapters.clock import utc_now
from adapters.ffmpeg import Ffmpeg
from adapters.sql.estate import Estate
from adapters.storage import Storage
from services.estate.records import OPEN, Video, VideoStatus

BEGINNINGS = 10
"""A video whose worker was lost so often does something to it."""


class VideoElsewhere(Exception):
    """Another attempt works on the video, and will finish it."""


Progress = Callable[[int], None]


class VideoCancelled(Exception):
    """Somebody cancelled the video meanwhile, or it is at its end for another reason."""


class VideoGivenUp(Exception):
    """Trying again does not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoWork:
    estate: Estate
    ffmpeg: Ffmpeg
    storage: Storage
    folder: Path
    silent: timedelta

    def process(self, video_id: str, progress: Progress, *, redelivered: bool) -> Mapping[str, object]:
        """May run again after any death. The latest attempt counts; one that was taken for dead too soon stops.

        Raises:
            VideoElsewhere: leave it.
            VideoCancelled, VideoGivenUp, NotAVideo: final.
            Fault, OSError: try again.
        """
        if not redelivered and self._is_alive(video_id):  # a copy of the task, such as the outbox sends
            raise VideoElsewhere(video_id)
        video = self.estate.begin_video(video_id)
        if video is None:
            return self._ended(video_id)
        if video.attempts > BEGINNINGS:
            raise VideoGivenUp(f"it was begun {BEGINNINGS} times")
        compressed = self.folder / f"{video_id}.{video.attempts}.mp4"
        try:
            self.ffmpeg.compress(
                self.folder / video_id, compressed, lambda percent: self._tell(video, percent, progress)
            )
            self._tell(video, 99, progress)
            size = compressed.stat().st_size
            stored_at = self.storage.store(compressed, f"{video_id}.mp4")
        finally:
            compressed.unlink(missing_ok=True)
        done = {"status": VideoStatus.DONE, "percent": 100, "size_after": size, "stored_at": stored_at, "error": None}
        self.estate.change_open_video(video_id, video.attempts, **done)
        return self._ended(video_id)

    def will_be_retried(self, video_id: str, error: str) -> None:
        self.estate.change_open_video(video_id, status=VideoStatus.QUEUED, error=error)

    def failed(self, video_id: str, error: str) -> None:
        self.estate.change_open_video(video_id, status=VideoStatus.FAILED, error=error)
        (self.folder / video_id).unlink(missing_ok=True)

    def _tell(self, video: Video, percent: int, progress: Progress) -> None:
        told = {"percent": percent, "alive_at": utc_now(), "status": VideoStatus.PROCESSING}
        if not self.estate.change_open_video(video.video_id, video.attempts, **told):
            raise VideoElsewhere(video.video_id) if self._is_open(video.video_id) else VideoCancelled(video.video_id)
        progress(percent)

    def _is_open(self, video_id: str) -> bool:
        video = self.estate.video(video_id)
        return video is not None and video.status in OPEN

    def _is_alive(self, video_id: str) -> bool:
        video = self.estate.video(video_id)
        if video is None or video.status is not VideoStatus.PROCESSING or video.alive_at is None:
            return False
        return utc_now() - video.alive_at < self.silent

    def _ended(self, video_id: str) -> Mapping[str, object]:
        video = self.estate.video(video_id)
        if video is None:
            raise VideoGivenUp("no video has this id")
        (self.folder / video_id).unlink(missing_ok=True)
        if video.status is not VideoStatus.DONE:
            raise VideoCancelled(f"{video_id} is {video.status}")
        return {
            "video_id": video_id,
            "size_before": video.size_before,
            "size_after": video.size_after,
            "stored_at": video.stored_at,
        }
