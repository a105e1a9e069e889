"""Each attempt at a Celery task is a span in the trace of its sender, on a worker whose mail server is away."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from comparison.span_receiver import ReceivedSpan
from services.estate.mails import SEND_EMAIL
from tests.support.celery_workers import CeleryEstate, celery_estate
from tests.support.otlp import collector
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

TRACE, SENDER = f"{1:032x}", f"{2:016x}"


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[CeleryEstate]:
    with celery_estate(tmp_path, smtp=f"127.0.0.1:{free_port()}") as estate:
        yield estate


def test_each_attempt_at_a_task_is_a_span_and_says_that_the_task_is_retried(
    estate: CeleryEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = str(uuid4())
    headers = {"traceparent": f"00-{TRACE}-{SENDER}-01", "twinsaga-order": order_id}
    with collector() as (received, variables), closing(estate.app()) as callers:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        def attempts() -> list[ReceivedSpan] | None:
            spans = sorted(received.spans, key=lambda span: span.began)
            return spans if len(spans) > 1 else None

        with estate.worker():
            callers.send_task(SEND_EMAIL, ("ana@example.com", "Hi", "Ana"), headers=headers)
            first, second, *_ = eventually(attempts, "the task is retried")

    for attempt, span in enumerate((first, second), start=1):
        assert (span.name, span.process) == (f"run {SEND_EMAIL}", "celery-worker")
        assert (span.trace_id, span.parent_id) == (TRACE, SENDER)
        assert span.attributes == {"order.id": order_id, "saga.attempt": attempt}
        assert list(span.events) == ["retried"]
        assert not span.failed
    assert b"example.com" not in b"".join(received.raw)
