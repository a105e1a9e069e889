"""The files of uploads: removed when their video ends, and never those of anything else."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.clock import utc_now
from adapters.ffmpeg import Ffmpeg
from adapters.sql.estate import Estate
from adapters.storage import Storage, StorageFault
from estate.process_video import ORPHANED_AFTER, VideoGivenUp, VideoWork, parsed_id
from messaging.sql.database import Database
from services.estate.records import QueuedTask, Video, VideoEngine, VideoStatus
from tests.support.examples import NOON
from tests.support.service_databases import Urls


@pytest.fixture
def work(urls: Urls, tmp_path: Path) -> Iterator[VideoWork]:
    database = Database.open(urls.database_url("estate"), service="estate")
    folder = tmp_path / "videos"
    folder.mkdir()
    yield VideoWork(
        estate=Estate(database, utc_now),
        ffmpeg=Ffmpeg(),
        storage=Storage(f"file://{tmp_path / 'storage'}"),
        folder=folder,
        silent_for=timedelta(minutes=1),
    )
    database.close()


def uploaded(work: VideoWork, status: VideoStatus = VideoStatus.QUEUED) -> str:
    video_id = str(uuid4())
    video = Video(video_id=video_id, engine=VideoEngine.CELERY, fingerprint="f", size_before=1, created_at=NOON)
    work.estate.add_video(replace(video, status=status), QueuedTask(task_id=video_id, task="t", arguments=(video_id,)))
    (work.folder / video_id).write_text("upload")
    return video_id


@pytest.mark.parametrize("unknown", ["{precious}", "../precious", "../videos/../precious"])
def test_the_file_at_a_path_that_is_no_video_is_never_removed(work: VideoWork, tmp_path: Path, unknown: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    video_id = unknown.format(precious=precious)

    with pytest.raises(VideoGivenUp):
        work.compress_and_store(video_id, lambda _: None, redelivered=False)
    work.failed(video_id, "no video")

    assert precious.exists()


@pytest.mark.parametrize(
    "value", ["/etc/passwd", "", "x", "a\0b", "\ud800", 5, None, [], {}, "../0b1f5e9a-3f0e-4d5e-9f6b-111111111111"]
)
def test_only_a_uuid_is_the_id_of_a_video(value: object) -> None:
    with pytest.raises(VideoGivenUp):
        parsed_id(value)


@pytest.mark.parametrize("how", [VideoStatus.CANCELLED, VideoStatus.FAILED, VideoStatus.DONE])
def test_the_sweep_removes_the_files_of_a_video_that_has_ended(work: VideoWork, how: VideoStatus) -> None:
    video_id, open_id = uploaded(work, how), uploaded(work)
    lost_attempt, attempt = work.folder / f"{video_id}.3.mp4", work.folder / f"{open_id}.1.mp4"
    lost_attempt.touch()
    attempt.touch()

    work.remove_left_overs()

    assert set(work.folder.iterdir()) == {work.folder / open_id, attempt}


def test_the_sweep_removes_an_upload_without_a_video_after_an_hour(work: VideoWork) -> None:
    new, old = (work.folder / f"{uuid4()}.{age}.upload" for age in ("new", "old"))
    for file in (new, old):
        file.touch()
    then = time.time() - ORPHANED_AFTER.total_seconds() - 1
    os.utime(old, (then, then))

    work.remove_left_overs()

    assert list(work.folder.iterdir()) == [new]


def test_a_failed_video_leaves_no_upload(work: VideoWork) -> None:
    video_id = uploaded(work)

    work.failed(video_id, "it took too long")

    assert list(work.folder.iterdir()) == []


def test_a_storage_that_fails_keeps_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "storage" / "v.mp4" / "in the way").mkdir(parents=True)
    (tmp_path / "v").write_text("video")

    with pytest.raises(StorageFault):
        Storage(f"file://{tmp_path / 'storage'}").store(tmp_path / "v", "v.mp4")

    assert [path.name for path in (tmp_path / "storage").iterdir()] == ["v.mp4"]
