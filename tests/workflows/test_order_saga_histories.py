"""Orders under way survive a change of the saga: on a kept history it issues the commands that it issued then."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from adapters.key_ring import new_key
from runtime.settings import Settings
from runtime.temporal import data_converter
from tests import histories
from tests.histories.commands import OK, commands_of
from tests.histories.orders import KEPT
from tests.histories.outcomes import outcomes_into
from tests.support.payload_encryption import encrypted, encrypting
from twinsaga_bridges.testing.kafka import RecordedEvents
from workflows.order_saga import OrderSaga

FOLDER = Path(histories.__file__).parent
V1 = sorted(path.stem for path in (FOLDER / "v1").glob("*.json"))
"""Histories of the saga when an interceptor published its outcome."""

EVENTS_OF_AN_OK_ORDER = 24
"""At most: each costs the server a write. Four plain activities alone have 29."""

WHAT_TO_DO = """
Orders under way have a history like {name}.json, which the saga no longer follows: it would fail on them.
  - If you did not mean to change its commands or their order: undo that part of the change.
  - If you did: release it as a new worker deployment version, beside the old one, as docs/worker-versioning.md shows;
    then record the histories again (python -m tests.histories.record) and change the sequence in this test.
"""


SIDE_BY_SIDE = ("confirm_order, local", "sell_inventory, local")


def kept_history(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"kept/{name}", (FOLDER / f"{name}.json").read_text())


def kept_commands(name: str) -> list[str]:
    commands = commands_of(kept_history(name))
    begin = min(map(commands.index, SIDE_BY_SIDE))
    commands[begin : begin + 2] = sorted(commands[begin : begin + 2])  # either of them may end first
    return commands


@contextmanager
def replayer_of(settings: Settings) -> Iterator[Replayer]:
    with outcomes_into(RecordedEvents()) as plugin:
        yield Replayer(workflows=[OrderSaga], data_converter=data_converter(settings), plugins=[plugin])


@pytest.fixture
def replayer() -> Iterator[Replayer]:
    with replayer_of(Settings()) as replayer:
        yield replayer


def test_a_history_is_kept_of_each_path_through_the_saga() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(KEPT)


@pytest.mark.parametrize("name", [*KEPT, *(f"v1/{name}" for name in V1)])
async def test_the_saga_follows_the_histories_of_orders_under_way(replayer: Replayer, name: str) -> None:
    try:
        await replayer.replay_workflow(kept_history(name))
    except NondeterminismError as error:
        pytest.fail(f"{WHAT_TO_DO.format(name=name)}\n{error}", pytrace=False)


@pytest.mark.parametrize("name", KEPT)
async def test_the_saga_follows_encrypted_histories_and_those_from_before_the_keys_were_set(name: str) -> None:
    with replayer_of(encrypting()) as replayer:
        await replayer.replay_workflow(encrypted(kept_history(name)))
        await replayer.replay_workflow(kept_history(name))


@pytest.mark.parametrize("settings", [Settings(), encrypting(new_key("other"))], ids=["no key", "another key"])
async def test_without_its_key_an_encrypted_history_does_not_replay(settings: Settings) -> None:
    with replayer_of(settings) as replayer, pytest.raises(RuntimeError, match="encrypted by the key '2026-12'"):
        await replayer.replay_workflow(encrypted(kept_history("ok")))


@pytest.mark.parametrize("name", ["ok", "v1/ok"])
def test_the_commands_of_an_ok_order_are_frozen(name: str) -> None:
    assert kept_commands(name) == OK, WHAT_TO_DO.format(name=name)


def test_an_outcome_is_retried_by_timers_while_kafka_is_away() -> None:
    attempt = ["have_order_end_told, local", "start a timer"]

    assert kept_commands("kafka_away") == [*OK[:-2], *3 * attempt, *OK[-2:]]


def test_an_ok_order_costs_few_events() -> None:
    assert len(kept_history("ok").events) <= EVENTS_OF_AN_OK_ORDER


async def test_a_history_that_another_saga_wrote_is_noticed(replayer: Replayer) -> None:
    kept = json.loads((FOLDER / "ok.json").read_text())
    for event in kept["events"]:
        if "activityTaskScheduledEventAttributes" in event:
            event["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "charge_twice"

    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(WorkflowHistory.from_json("kept/other", json.dumps(kept)))
