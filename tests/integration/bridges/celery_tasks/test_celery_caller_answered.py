"""Callers of a Celery task get the outcome of the workflow that answers it."""

import pytest
from celery.exceptions import TaskRevokedError

from tests.integration.bridges.celery_tasks.answering import Doubles
from tests.integration.bridges.celery_tasks.sagas import Notes
from tests.integration.bridges.celery_tasks.shop import Shop

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
    result = shop.app.send_task("estate.double_unseen", (4, shop.queue), link=noting)
    [run] = await notes.runs_begun(1)
    assert run["value"] == 8
    assert result.state == "PENDING"


async def activities_of(shop: Shop, workflow_id: str) -> list[str]:
    history = await shop.client.get_workflow_handle(workflow_id).fetch_history()
    scheduled = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    return [name for name in scheduled if name]


async def runs_of(shop: Shop, workflow_id: str) -> int:
    """Count the workflow's runs on the server."""
    found = [each async for each in shop.client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    return len(found)
