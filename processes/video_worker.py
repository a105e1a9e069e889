"""`twinsaga serve video-worker`: a Celery worker for videos alone, so that no mail waits behind one."""

from adapters.storage import Storage, StorageNotInstalled
from estate.app import VIDEO_QUEUE
from processes.celery_worker import run_worker
from runtime.errors import CannotRun
from runtime.settings import Settings


def main(settings: Settings) -> None:
    """Run until SIGTERM, as the Celery worker does.

    Raises CannotRun: the package that the storage of the videos requires is not installed.
    """
    refuse_missing_storage(settings)
    settings.videos_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    run_worker(settings, "video-worker", queue=VIDEO_QUEUE, concurrency=settings.video_concurrency)


def refuse_missing_storage(settings: Settings) -> None:
    """Fail at the start, not at the first customer's video."""
    try:
        Storage(settings.video_storage_url).must_be_installed()
    except StorageNotInstalled as missing:
        raise CannotRun(f"the storage of the videos cannot be used: {missing}") from missing
