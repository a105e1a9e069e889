"""What a user's route, a codec or Temporal says no to: what no repetition helps is buried, all else is tried again."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration
from structlog.testing import capture_logs
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
from twinsaga_bridges.kafka.temporal_errors import LARGE, TemporalAway, acknowledged
from twinsaga_bridges.kafka.temporal_requests import Undeliverable

OVER_THE_BLOB_LIMIT, OVER_THE_LIMIT_OF_GRPC = 3_000_000, 6_000_000


async def test_a_namespace_that_does_not_exist_is_waited_for(estate: Estate) -> None:
    elsewhere = Client(estate.client.service_client, namespace=f"{estate.client.namespace}-later")
    with capture_logs() as logs:
        async with estate.bridging(elsewhere):
            estate.send(
                ("e1", "ledger.written", "a", 1), ("e2", "ledger.closed", "a", 0), ("e3", "ledger.closed", "b", 0)
            )

            async def told() -> str:
                return str(logs)

            await soon(told, lambda found: "the namespace does not exist" in found)
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


@pytest.mark.parametrize("size", [OVER_THE_BLOB_LIMIT, OVER_THE_LIMIT_OF_GRPC])
async def test_what_temporal_takes_in_no_case_is_a_dead_letter_and_the_key_goes_on(estate: Estate, size: int) -> None:
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
    """Encodes nothing as long as its keys are away."""

    asked = 0
    away = True

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self.asked += 1
        if self.away:
            raise ConnectionError("the keys are away")
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def test_a_codec_whose_keys_are_away_is_waited_for(estate: Estate) -> None:
    codec = KeysAway()
    config = estate.client.config() | {"data_converter": replace(DataConverter.default, payload_codec=codec)}
    async with estate.bridging(Client(**config)):
        estate.send(("e1", "ledger.written", "a", 1))

        async def asked() -> int:
            return codec.asked

        await soon(asked, lambda times: times > 1)
        codec.away = False

        assert await soon(lambda: estate.numbers("a"), bool) == [1]
    assert estate.graveyard.letters == []


async def _refused(error: RPCError) -> None:
    raise error


async def test_a_server_that_is_too_busy_is_asked_again_and_one_that_finds_it_too_large_is_not() -> None:
    busy = GrpcStatus(code=RPCStatusCode.RESOURCE_EXHAUSTED)
    cause = ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT
    busy.details.add().Pack(ResourceExhaustedFailure(cause=cause))
    too_busy = RPCError("namespace rate limit", RPCStatusCode.RESOURCE_EXHAUSTED, busy.SerializeToString())
    too_large = RPCError("larger than max", RPCStatusCode.RESOURCE_EXHAUSTED, b"")

    for error, size in ((too_busy, 10 * LARGE), (too_large, LARGE // 2)):
        with pytest.raises(TemporalAway):
            await acknowledged(_refused(error), size)
    with pytest.raises(Undeliverable):
        await acknowledged(_refused(too_large), 10 * LARGE)
