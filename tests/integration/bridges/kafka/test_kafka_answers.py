"""A rejection by Temporal, a codec or a converter is a dead letter if no retry helps, else it is retried."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import GrpcStatus, Payload
from temporalio.api.enums.v1 import ResourceExhaustedCause
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from tests.integration.bridges.kafka.estate import Estate
from tests.integration.bridges.kafka.ledger import Ledger
from tests.integration.bridges.kafka.routes import TASK_QUEUE
from tests.support.waiting import soon
from twinsaga_bridges.kafka.faults import Undeliverable
from twinsaga_bridges.kafka.temporal_calls import LARGE, TemporalCalls

OVER_TEMPORALS_LIMIT, OVER_GRPCS_LIMIT = 3_000_000, 6_000_000


async def test_events_wait_for_a_namespace_that_does_not_exist_yet(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = Client(estate.client.service_client, namespace=f"{estate.client.namespace}-later")
    caplog.set_level(logging.WARNING, logger="twinsaga_bridges")

    async def logged() -> str:
        return caplog.text

    async with estate.bridging(elsewhere):
        estate.send(("e1", "ledger.written", "a", 1), ("e2", "ledger.closed", "a", 0), ("e3", "ledger.closed", "b", 0))
        await soon(logged, lambda text: "the namespace does not exist" in text)
        assert estate.graveyard.letters == []

        await estate.client.workflow_service.register_namespace(
            RegisterNamespaceRequest(
                namespace=elsewhere.namespace, workflow_execution_retention_period=Duration(seconds=86_400)
            )
        )
        await estate.await_committed(3)

    async with Worker(elsewhere, task_queue=TASK_QUEUE, workflows=[Ledger]):
        assert await elsewhere.get_workflow_handle_for(Ledger.run, "ledger/a").result() == [1]
    (letter,) = estate.graveyard.letters
    assert "ledger/b" in letter


@pytest.mark.parametrize("size", [OVER_TEMPORALS_LIMIT, OVER_GRPCS_LIMIT])
async def test_a_request_that_temporal_always_rejects_is_a_dead_letter_and_the_key_continues(
    estate: Estate, size: int
) -> None:
    async with estate.bridging():
        estate.send(("e0", "ledger.opened", "a", 0))
        estate.send(("e1", "ledger.filled", "a", size), ("e2", "ledger.corrected_at_length", "a", size))
        estate.send(("e3", "ledger.opened_full", "b", size), ("e4", "ledger.written", "a", 4))
        await estate.await_committed(5)

        assert await estate.numbers("a") == [4]
    assert len(estate.graveyard.letters) == 3


async def test_an_argument_that_cannot_be_encoded_is_a_dead_letter(estate: Estate) -> None:
    async with estate.bridging():
        estate.send(("e1", "ledger.garbled", "a", 1), ("e2", "ledger.written", "a", 2))
        await estate.await_committed(2)

        assert await estate.numbers("a") == [2]
    (letter,) = estate.graveyard.letters
    assert "cannot be encoded" in letter


class KeysAway(PayloadCodec):
    """Fails while `away` is set."""

    calls = 0
    away = True

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self.calls += 1
        if self.away:
            raise ConnectionError("the keys are away")
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def test_events_wait_for_a_codec_whose_keys_are_away(estate: Estate) -> None:
    codec = KeysAway()
    config = estate.client.config() | {"data_converter": replace(DataConverter.default, payload_codec=codec)}
    async with estate.bridging(Client(**config)):
        estate.send(("e1", "ledger.written", "a", 1))

        async def calls() -> int:
            return codec.calls

        await soon(calls, lambda count: count > 1)
        codec.away = False

        assert await soon(lambda: estate.numbers("a"), bool) == [1]
    assert estate.graveyard.letters == []


async def test_a_rate_limit_is_retried_and_a_size_limit_is_not() -> None:
    busy = GrpcStatus(code=RPCStatusCode.RESOURCE_EXHAUSTED)
    cause = ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT
    busy.details.add().Pack(ResourceExhaustedFailure(cause=cause))
    too_busy = RPCError("namespace rate limit", RPCStatusCode.RESOURCE_EXHAUSTED, busy.SerializeToString())
    too_large = RPCError("larger than max", RPCStatusCode.RESOURCE_EXHAUSTED, b"")

    async def acknowledged(error: RPCError, size: int) -> int:
        """Return how many calls it took when the first one fails."""
        calls = 0

        async def call() -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise error

        await TemporalCalls(1).acknowledged(call, size)
        return calls

    assert await acknowledged(too_busy, 10 * LARGE) == 2
    assert await acknowledged(too_large, LARGE // 2) == 2
    with pytest.raises(Undeliverable):
        await acknowledged(too_large, 10 * LARGE)
