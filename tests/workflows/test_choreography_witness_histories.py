"""Witnesses of orders under way survive a change of the witness: on a kept history it issues the same commands."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from runtime.settings import Settings
from runtime.temporal import data_converter
from tests import histories
from tests.histories.commands import commands_of
from tests.histories.witnesses import WITNESSED
from tests.support.payload_encryption import encrypted, encrypting
from workflows.choreography_witness import ChoreographyWitness

FOLDER = Path(histories.__file__).parent / "witness"

WHAT_TO_DO = """
Witnesses of orders under way have a history like witness/{name}.json, which the witness no longer follows.
  - If you did not mean to change its commands or their order: undo that part of the change.
  - If you did: see docs/worker-versioning.md, then record again (python -m tests.histories.record_witnesses).
"""

STUCK_ORDER = ["search attributes", "request_cancellation", "search attributes", "start a timer", "complete"]


def kept_history(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"kept/{name}", (FOLDER / f"{name}.json").read_text())


def test_a_history_is_kept_of_each_thing_that_a_witness_does() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(WITNESSED)


@pytest.mark.parametrize("name", WITNESSED)
async def test_the_witness_follows_the_histories_of_orders_under_way(name: str) -> None:
    replayer = Replayer(workflows=[ChoreographyWitness], data_converter=data_converter(Settings()))
    try:
        await replayer.replay_workflow(kept_history(name))
    except NondeterminismError as error:
        pytest.fail(f"{WHAT_TO_DO.format(name=name)}\n{error}", pytrace=False)


@pytest.mark.parametrize("name", WITNESSED)
async def test_the_witness_follows_encrypted_histories(name: str) -> None:
    replayer = Replayer(workflows=[ChoreographyWitness], data_converter=data_converter(encrypting()))

    await replayer.replay_workflow(encrypted(kept_history(name)))


def test_the_commands_of_a_stuck_witness_are_frozen() -> None:
    assert commands_of(kept_history("stuck_then_cancelled"))[-len(STUCK_ORDER) :] == STUCK_ORDER


async def test_a_history_that_another_witness_wrote_is_noticed() -> None:
    kept = json.loads((FOLDER / "stuck_then_cancelled.json").read_text())
    for event in kept["events"]:
        if "activityTaskScheduledEventAttributes" in event:
            event["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "confirm_order"
    replayer = Replayer(workflows=[ChoreographyWitness], data_converter=data_converter(Settings()))

    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(WorkflowHistory.from_json("kept/other", json.dumps(kept)))
