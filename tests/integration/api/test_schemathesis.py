"""Schemathesis sends every operation of the OpenAPI document valid and invalid data, with all of its checks on.

No check and no operation is left out, but for the rules in BEYOND_SCHEMAS.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import one_of
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance

from adapters.in_flight_keys import RedisInFlightKeys
from api.app import create_app
from api.event_streams import Durations
from api.webhook_signatures import HEADER
from messaging.kafka.dead_letter_box import DeadLetterBox
from runtime.kafka import CONSUMED_TOPICS
from tests.support.api_rig import WEBHOOK_SECRET, Rig
from tests.support.broker import Broker
from tests.support.callers import signature_now

EXAMPLES = 4
BEYOND_SCHEMAS = {
    "invisible character": "categories of Unicode",
    "(NFC)": "normalization of Unicode",
    "valid integer": "JSON Schema takes 3.0 for an integer, and we take it for a mistake",
    "is longer than 255 bytes": "the schema counts characters",
    "is not a cursor of this list": "a cursor is opaque: only the API makes one",
    "needs exactly one of": "what a redrive is of",
    "needs a topic, group or order_id": "the same",
    "finds no video in it": "the content of a file",
    "times": "a SKU comes in one line only, and JSON Schema compares whole lines",
}
"""Parts of messages, each with the reason why the document does not contain the rule."""


class Signed:
    """Replaces the generated key or signature by a valid one. Requests without any stay as they are."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        if HEADER in request.headers:
            content = body.encode() if isinstance(body, str) else body
            assert isinstance(content, bytes)
            request.headers.update(signature_now(content, WEBHOOK_SECRET))
        elif "Authorization" in request.headers:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class KeysOfEachCall(RedisInFlightKeys):
    """Connects for each call: schemathesis runs every call in an event loop of its own, to which connections belong."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._url = url
        self._claimed: dict[str, RedisInFlightKeys] = {}

    async def claim(self, key: str) -> str | None:
        keys = RedisInFlightKeys(self._url)
        claim = await keys.claim(key)
        if claim is None:
            await keys.close()
        else:
            self._claimed[claim] = keys
        return claim

    async def release(self, key: str, claim: str) -> None:
        keys = self._claimed.pop(claim)
        await keys.release(key, claim)
        await keys.close()

    async def ping(self) -> None:
        keys = RedisInFlightKeys(self._url)
        try:
            await keys.ping()
        finally:
            await keys.close()


@pytest.fixture
def rig(tmp_path: Path, redis_url: str, broker: Broker) -> Iterator[Rig]:
    rig = Rig.on(tmp_path / "data", KeysOfEachCall(redis_url), redis_url.rpartition("/")[0])
    letters = DeadLetterBox(broker.connection, CONSUMED_TOPICS)
    rig.dependencies = replace(rig.dependencies, dead_letters=letters)
    yield rig
    rig.close()


@pytest.fixture
def document(rig: Rig) -> Any:  # noqa: ANN401 - schemathesis's
    app: FastAPI = create_app(rig.dependencies, hosts=["testserver"])
    app.state.stream_durations = Durations(heartbeat=0.01, whole=0.02)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def test_every_answer_is_as_the_document_says(rig: Rig, document: Any) -> None:  # noqa: ANN401 - schemathesis's
    caller = Signed(rig.caller.key)
    failures: list[str] = []
    admitted: set[str] = set()
    operations = [result.ok() for result in document.get_all_operations()]

    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=requests_of(operation))
        def call(case: schemathesis.Case[Any]) -> None:
            answer = case.call(auth=caller)
            if answer.status_code != requests.codes.unauthorized:
                admitted.add(case.operation.label)
            excluded: list[Any] = [positive_data_acceptance] if breaks_a_rule_beyond_schemas(answer) else []
            case.validate_response(answer, excluded_checks=excluded, transport_kwargs={"auth": caller})

        try:
            call()
        except FailureGroup as found:
            failures.append(f"{operation.label}: {found}")

    assert not failures, "\n\n".join(failures)
    assert admitted == {operation.label for operation in operations}
    assert len(operations) > 20


def requests_of(operation: Any) -> Any:  # noqa: ANN401 - schemathesis's
    """Valid and invalid requests, half of each."""
    return one_of(*(operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode))


def breaks_a_rule_beyond_schemas(answer: schemathesis.Response) -> bool:
    """Whether every field is refused by a rule that JSON Schema cannot express, so that the data looks valid."""
    if answer.status_code != requests.codes.unprocessable:
        return False
    messages = [error["message"] for error in answer.json()["errors"]]
    return all(any(rule in message for rule in BEYOND_SCHEMAS) for message in messages)
