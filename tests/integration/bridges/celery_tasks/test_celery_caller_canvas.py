"""Chains, groups and chords that contain a task that a workflow answers."""

import asyncio
from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import ChordError
from celery.result import AsyncResult

from tests.integration.bridges.celery_tasks.sagas import Notes
from tests.integration.bridges.celery_tasks.shop import Shop
from twinsaga_bridges.celery.answer_caller import finish
from twinsaga_bridges.celery.caller import CALLER_SIGNAL, CeleryCaller, WorkflowEnd

pytestmark = [
    pytest.mark.usefixtures("estate"),
    # Celery's Redis backend calls what redis-py 8 deprecates.
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]


def add(shop: Shop, *numbers: int) -> Any:  # noqa: ANN401 - a signature, of many types
    return shop.app.signature("estate.add", args=numbers)


def total(shop: Shop) -> Any:  # noqa: ANN401 - as above
    return shop.app.signature("estate.total")


async def test_a_chain_before_and_after(shop: Shop) -> None:
    result = chain(add(shop, 1, 2), shop.doubling(), add(shop, 10), app=shop.app).apply_async()
    assert await shop.got(result) == 16


async def test_a_chain_of_two_such_tasks(shop: Shop) -> None:
    assert await shop.got(chain(shop.doubling(3), shop.doubling(), app=shop.app).apply_async()) == 12


async def test_a_chain_ends_where_the_workflow_fails(shop: Shop, token: str, notes: Notes) -> None:
    noting = shop.app.signature("estate.note_value", args=(token,))
    result = chain(shop.doubling(3, how="break"), noting, app=shop.app).apply_async()
    with pytest.raises(LookupError, match="nothing to double"):
        await shop.got(result)
    assert notes.runs == []


async def test_a_group(shop: Shop) -> None:
    result = group([shop.doubling(3), add(shop, 1, 1), shop.doubling(4)], app=shop.app).apply_async()
    assert await shop.got(result) == [6, 2, 8]


async def test_a_chain_into_a_group(shop: Shop) -> None:
    result = chain(shop.doubling(3), group([add(shop, 1), shop.doubling()]), app=shop.app).apply_async()
    assert await shop.got(result) == [7, 12]


async def test_the_header_of_a_chord(shop: Shop) -> None:
    result = chord([shop.doubling(3), add(shop, 1, 1), shop.doubling(4)], total(shop), app=shop.app).apply_async()
    assert await shop.got(result) == 16


async def test_the_body_of_a_chord(shop: Shop) -> None:
    body = chain(total(shop), shop.doubling(), app=shop.app)
    assert await shop.got(chord([add(shop, 1, 1), add(shop, 2, 2)], body, app=shop.app).apply_async()) == 12


async def test_a_chord_of_chains(shop: Shop) -> None:
    header = [chain(shop.doubling(number), add(shop, 1), app=shop.app) for number in (3, 4)]
    assert await shop.got(chord(header, total(shop), app=shop.app).apply_async()) == 16


async def test_a_chord_fails_when_the_workflow_of_its_header_fails(shop: Shop) -> None:
    result = chord([shop.doubling(3, how="break"), add(shop, 1, 1)], total(shop), app=shop.app).apply_async()
    # The class depends on whether the caller reads the header or the body first.
    with pytest.raises((ChordError, LookupError), match="nothing to double"):
        await shop.got(result)


async def test_a_link_gets_the_result(shop: Shop, token: str, notes: Notes) -> None:
    noting = shop.app.signature("estate.note_value", args=(token,))
    shop.doubling(5).apply_async(link=noting)
    [run] = await notes.runs_begun(1)
    assert run["value"] == 10


async def test_a_link_for_errors_gets_the_id_of_the_task(shop: Shop, token: str, notes: Notes) -> None:
    noting = shop.app.signature("estate.note_value", args=(token,))
    result = shop.doubling(5, how="break").apply_async(link_error=noting)
    [run] = await notes.runs_begun(1)
    assert run["value"] == result.id


async def test_a_group_followed_by_a_task_is_a_chord(shop: Shop) -> None:
    assert (
        await shop.got(chain(group([shop.doubling(3), shop.doubling(4)]), total(shop), app=shop.app).apply_async())
        == 14
    )


async def test_a_chord_in_the_header_of_a_chord(shop: Shop) -> None:
    inner = chord([shop.doubling(1), shop.doubling(2)], total(shop), app=shop.app)
    assert await shop.got(chord([inner, shop.doubling(3)], total(shop), app=shop.app).apply_async()) == 12


async def test_a_task_that_replaces_itself_by_one_that_a_workflow_answers(shop: Shop) -> None:
    handing_over = shop.app.signature("estate.hand_over", args=(3, shop.queue))
    assert await shop.got(chain(handing_over, add(shop, 1), app=shop.app).apply_async()) == 7


async def test_map_and_chunks_call_the_task_like_a_function_and_fail(shop: Shop) -> None:
    values = [[3, shop.queue], [4, shop.queue]]
    star = shop.app.tasks["celery.starmap"].s(task=shop.app.signature("estate.double"), it=values)
    with pytest.raises(RuntimeError, match="call it with delay"):
        await shop.got(star.apply_async())


async def test_an_answer_that_is_given_twice_sends_the_chain_once(shop: Shop, token: str, notes: Notes) -> None:
    noting = shop.app.signature("estate.note_value", args=(token,))
    result = chain(shop.doubling(3), noting, app=shop.app).apply_async()
    await shop.got(result)
    assert isinstance(result.parent, AsyncResult)
    caller = await caller_of(shop, result.parent.id)
    await asyncio.to_thread(finish, shop.app, caller.request, WorkflowEnd(kind="succeeded"), 6, {})
    # Queued after anything that a second answer would have sent.
    assert await shop.got(add(shop, 1, 1).apply_async()) == 2
    assert [run["value"] for run in notes.runs] == [6]


async def caller_of(shop: Shop, task_id: str) -> CeleryCaller:
    history = await shop.client.get_workflow_handle(f"celery-task/{task_id}").fetch_history()
    signals = [event.workflow_execution_signaled_event_attributes for event in history.events]
    [signal] = [signal for signal in signals if signal.signal_name == CALLER_SIGNAL]
    [caller] = await shop.client.data_converter.decode(signal.input.payloads, [CeleryCaller])
    assert isinstance(caller, CeleryCaller)
    return caller
