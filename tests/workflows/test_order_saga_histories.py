"""Orders that are under way survive a change of the saga: it does, on a kept history, what it did then."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from tests import histories
from tests.histories.commands import OK, commands_of
from tests.histories.ends import at_the_end
from tests.histories.orders import KEPT
from workflows.order_saga import OrderSaga

FOLDER = Path(histories.__file__).parent
EVENTS_OF_AN_OK_ORDER = 24
"""At most: each costs the server a write. 23 are the saga's own, one has others told how it ended. Four plain
activities alone have 29."""

WHAT_TO_DO = """
Orders under way have a history like {name}.json, which the saga no longer follows: it would fail on them.
  - If you did not mean to change what the saga asks of Temporal, and in which order: undo that part of the change.
  - If you did: release it as a new worker deployment version, beside the old one, as docs/worker-versioning.md shows;
    then record the histories again (python -m tests.histories.record) and change the sequence in this test.
"""


def kept_history(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"kept/{name}", (FOLDER / f"{name}.json").read_text())


def replayer_of_sagas() -> Replayer:
    return Replayer(workflows=[OrderSaga], data_converter=pydantic_data_converter, interceptors=at_the_end())


def test_a_history_is_kept_of_each_way_through_the_saga() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(KEPT)


@pytest.mark.parametrize("name", KEPT)
async def test_the_saga_follows_the_histories_of_orders_under_way(name: str) -> None:
    replayer = replayer_of_sagas()
    try:
        await replayer.replay_workflow(kept_history(name))
    except NondeterminismError as parted:
        pytest.fail(f"{WHAT_TO_DO.format(name=name)}\n{parted}", pytrace=False)


def test_the_commands_of_an_ok_order_are_frozen() -> None:
    assert commands_of(kept_history("ok")) == OK, WHAT_TO_DO.format(name="ok")


def test_an_ok_order_costs_few_events() -> None:
    assert len(kept_history("ok").events) <= EVENTS_OF_AN_OK_ORDER


async def test_a_history_that_another_saga_wrote_is_noticed() -> None:
    kept = json.loads((FOLDER / "ok.json").read_text())
    for event in kept["events"]:
        if "activityTaskScheduledEventAttributes" in event:
            event["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "charge_twice"
    replayer = replayer_of_sagas()

    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(WorkflowHistory.from_json("kept/other", json.dumps(kept)))
