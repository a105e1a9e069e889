"""The Celery estate as the API sees it: users, videos, and tasks promised in the transaction that needs them."""

from pathlib import Path
from typing import Protocol

from services.estate.records import User, Video


class Accounts(Protocol):
    """Every method blocks, and raises a Fault when the database is away."""

    def register(self, user: User) -> User:
        """Store the user and promise the welcome mail, both or neither. Return who has the id: maybe an earlier one."""
        ...

    def find(self, user_id: str) -> User | None: ...

    def send_promised_mail(self, user: User) -> None:
        """Hand the welcome mail over now. If Celery is away the sweep does it later; never raises."""
        ...


class VideoShelf(Protocol):
    """Every method blocks, and raises a Fault when the database is away."""

    @property
    def max_bytes(self) -> int: ...

    def place_for(self, video_id: str) -> Path:
        """Where an upload is written to, in a folder that is there."""
        ...

    def why_no_video(self, file: Path) -> str | None:
        """None for a video."""
        ...

    def take_in(self, video: Video) -> Video:
        """Store it and promise its job, both or neither. Return what has the id: maybe an earlier one."""
        ...

    def start_promised_job(self, video: Video) -> None:
        """Like `send_promised_mail`."""
        ...

    def find(self, video_id: str) -> Video | None: ...

    def cancel(self, video: Video) -> bool:
        """False when it is at its end already."""
        ...

    def stop_job(self, video: Video) -> None:
        """Tell whoever works on a cancelled video; never raises."""
        ...
