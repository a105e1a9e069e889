"""Tasks that need nothing but Celery, for a real worker and for the stand-in of the library."""

from typing import Any

from celery import Celery, Task


def add_ordinary_tasks(app: Celery) -> None:
    @app.task(name="ordinary.add")
    def add(left: int, right: int) -> int:
        return left + right

    @app.task(name="ordinary.pair")
    def pair(left: str, *, right: str) -> tuple[str, str]:
        return left, right

    @app.task(name="ordinary.raise_key_error")
    def raise_key_error() -> None:
        raise KeyError("no such thing")

    @app.task(name="ordinary.third_time", bind=True, autoretry_for=(ValueError,), max_retries=2, default_retry_delay=0)
    def third_time(self: "Task[Any, Any]") -> int:
        if self.request.retries < 2:
            raise ValueError("not yet")
        return self.request.retries + 1

    @app.task(name="ordinary.never_right", bind=True, autoretry_for=(ValueError,), max_retries=1, default_retry_delay=0)
    def never_right(_self: "Task[Any, Any]") -> None:
        raise ValueError("wrong again")

    @app.task(name="ordinary.shows_progress", bind=True)
    def shows_progress(self: "Task[Any, Any]") -> str:
        self.update_state(state="PROGRESS", meta={"percent": 40})
        return "done"

    @app.task(name="ordinary.large")
    def large(size: int) -> str:
        return "x" * size
