"""Callers of a Celery task get the outcome of the workflow that answers it."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError
from temporalio.client import WorkflowFailureError

from tests.integration.bridges.celery_tasks.answering import Doubles
from tests.integration.bridges.celery_tasks.sagas import Notes
from tests.integration.bridges.celery_tasks.shop import Shop
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.usefixtures("estate"),
    # Celery's Redis backend calls what redis-py 8 deprecates.
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]


async def test_get_returns_the_result_of_the_workflow(shop: Shop) -> None:
    assert await shop.got(shop.double(4)) == 8


async def test_get_raises_the_failure_of_the_workflow_with_its_type(shop: Shop) -> None:
    with pytest.raises(Exception, match="no 4 left") as raised:
        await shop.got(shop.double(4, "refuse"))
    assert type(raised.value).__name__ == "OutOfStock"


async def test_a_failure_with_the_name_of_a_builtin_exception_is_that_exception(shop: Shop) -> None:
    with pytest.raises(LookupError, match="nothing to double"):
        await shop.got(shop.double(4, "break"))


async def test_the_state_shows_progress_with_the_step(shop: Shop) -> None:
    result = shop.double(4, "wait")
    await shop.until(result, "PROGRESS")
    assert result.info == {"step": "pack", "workflow_id": f"celery-task/{result.id}"}
    await shop.client.get_workflow_handle(f"celery-task/{result.id}").signal(Doubles.go)
    assert await shop.got(result) == 8


async def test_revoke_cancels_the_workflow_which_undoes_what_it_did(shop: Shop) -> None:
    result = shop.double(4, "wait")
    await shop.until(result, "PROGRESS")
    result.revoke()
    with pytest.raises(TaskRevokedError):
        await shop.got(result)
    assert "unpack" in await activities_of(shop, f"celery-task/{result.id}")


async def test_revoke_ends_a_task_whose_workflow_was_terminated(shop: Shop) -> None:
    result = shop.double(4, "wait")
    await shop.until(result, "PROGRESS")
    await shop.client.get_workflow_handle(f"celery-task/{result.id}").terminate()
    result.revoke()
    with pytest.raises(TaskRevokedError):
        await shop.got(result)


async def test_the_same_task_id_twice_is_one_workflow(shop: Shop, token: str) -> None:
    first = shop.double(4, "wait", task_id=token)
    await shop.until(first, "PROGRESS")
    shop.double(4, "wait", task_id=token)
    await shop.got(shop.app.send_task("estate.add", (1, 1)))
    await shop.client.get_workflow_handle(f"celery-task/{token}").signal(Doubles.go)
    assert await shop.got(first) == 8
    shop.double(4, "wait", task_id=token)
    await shop.got(shop.app.send_task("estate.add", (1, 1)))
    assert first.state == "SUCCESS"
    assert await runs_of(shop, f"celery-task/{token}") == 1


async def test_two_tasks_with_one_workflow_id_both_get_its_result(shop: Shop, token: str) -> None:
    results = [shop.double(4, "wait", workflow_id=token) for _ in range(2)]
    for result in results:
        await shop.until(result, "PROGRESS")
    await shop.client.get_workflow_handle(token).signal(Doubles.go)
    assert [await shop.got(result) for result in results] == [8, 8]
    assert await runs_of(shop, token) == 1


async def test_a_task_that_comes_after_the_workflow_has_closed_gets_its_end_too(shop: Shop, token: str) -> None:
    assert await shop.got(shop.double(4, workflow_id=token)) == 8
    assert await shop.got(shop.double(4, workflow_id=token)) == 8


async def test_a_task_that_comes_after_the_workflow_has_failed_gets_its_failure_too(shop: Shop, token: str) -> None:
    for _ in range(2):
        with pytest.raises(LookupError, match="nothing to double"):
            await shop.got(shop.double(4, "break", workflow_id=token))


async def test_a_workflow_that_continues_as_new_still_answers(shop: Shop) -> None:
    result = shop.double(4, "go on as new")
    await shop.until(result, "PROGRESS")
    await shop.client.get_workflow_handle(f"celery-task/{result.id}").signal(Doubles.go)
    assert await shop.got(result) == 8


async def test_a_link_is_called_with_the_result_although_it_is_not_stored(shop: Shop, token: str, notes: Notes) -> None:
    noting = shop.app.signature("estate.note_value", args=(token,))
    result = shop.app.send_task("estate.double_unseen", (4, shop.queue), link=noting, ignore_result=True)
    [run] = await notes.runs_begun(1)
    assert run["value"] == 8
    await closed(shop, f"celery-task/{result.id}")
    assert result.state == "PENDING"


async def test_the_option_of_a_task_and_the_choice_of_its_caller_say_whether_its_result_is_stored(shop: Shop) -> None:
    # Celery before 5.7 sends a choice with each task that its caller does not know, so the option never counts.
    choices: tuple[dict[str, Any], ...] = ({}, {"ignore_result": True}, {"ignore_result": False})
    for chosen in choices:
        result = shop.app.send_task("estate.double_unseen", (4, shop.queue), **chosen)
        ordinary = shop.app.send_task("estate.add_unseen", (4, 4), **chosen)
        await shop.got(shop.double(1))
        await closed(shop, f"celery-task/{result.id}")
        await shop.until(ordinary, result.state)


async def test_a_failed_workflow_runs_again_for_the_next_task_if_its_policy_says_so(shop: Shop, token: str) -> None:
    for value, how, wanted in ((4, "break", None), (4, "", 8), (5, "", 8)):
        result = shop.app.send_task("estate.double_again", (value, shop.queue, token, how))
        if wanted is None:
            with pytest.raises(LookupError, match="nothing to double"):
                await shop.got(result)
        else:
            assert await shop.got(result) == wanted
        await closed(shop, token)
    assert await runs_of(shop, token) == 2


async def test_each_task_is_a_new_run_if_its_policy_says_so_but_the_same_task_never_is(shop: Shop, token: str) -> None:
    arguments = (4, shop.queue, token)
    first = shop.app.send_task("estate.double_anew", arguments)
    assert await shop.got(first) == 8
    await closed(shop, token)
    assert await shop.got(shop.app.send_task("estate.double_anew", (5, shop.queue, token))) == 10
    shop.app.send_task("estate.double_anew", arguments, task_id=first.id)
    await shop.got(shop.app.send_task("estate.add", (1, 1)))
    await shop.got(shop.app.send_task("estate.add", (1, 1)))
    assert await runs_of(shop, token) == 2
    shown = await shop.client.get_workflow_handle(token).describe()
    assert (await shown.static_summary(), await shown.memo()) == ("doubles", {"customer": "ana"})
    assert shown.raw_info.priority.priority_key == 2


async def test_a_task_may_replace_the_run_of_an_earlier_one_whose_task_is_then_revoked(shop: Shop, token: str) -> None:
    first = shop.app.send_task("estate.double_anew", (4, shop.queue, token, "wait"))
    await shop.until(first, "PROGRESS")
    second = shop.app.send_task("estate.double_anew", (5, shop.queue, token, "wait"), {"replace": True})
    await shop.until(second, "PROGRESS")
    first.revoke()
    with pytest.raises(TaskRevokedError):
        await shop.got(first)
    await shop.client.get_workflow_handle(token).signal(Doubles.go)
    assert await shop.got(second) == 10


async def test_the_progress_names_the_celery_task_that_the_workflow_awaits_and_shows_its_own(
    shop: Shop, token: str, notes: Notes
) -> None:
    result = shop.app.send_task("estate.mirror", (token, shop.queue))
    wanted = {
        "step": "estate.report_progress",
        "progress": {"task": "estate.report_progress", "state": "PROGRESS", "meta": {"percent": 40}},
        "workflow_id": f"celery-task/{result.id}",
    }
    await asyncio.to_thread(eventually, lambda: result.info == wanted, "the caller sees the progress")
    notes.open_gate()
    assert await shop.got(result) == "done"


async def activities_of(shop: Shop, workflow_id: str) -> list[str]:
    history = await shop.client.get_workflow_handle(workflow_id).fetch_history()
    scheduled = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    return [name for name in scheduled if name]


async def closed(shop: Shop, workflow_id: str) -> None:
    """The caller is answered a moment before its workflow closes, and a task that comes in between joins it."""
    with suppress(WorkflowFailureError):
        await shop.client.get_workflow_handle(workflow_id).result(rpc_timeout=timedelta(seconds=30))


async def runs_of(shop: Shop, workflow_id: str) -> int:
    """Count the workflow's runs on the server."""
    found = [each async for each in shop.client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    return len(found)
