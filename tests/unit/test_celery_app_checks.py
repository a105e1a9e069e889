"""A Celery app that a bridge cannot work with is refused when it is set up, with an error that says what to do."""

import pytest
from celery import Celery
from celery.exceptions import ImproperlyConfigured
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from twinsaga_bridges.celery_into_workflow import StartWorkflow, TasksAnsweredByWorkflows
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, ClientPerProcess, TaskClaims, install


async def no_client(_runtime: object) -> None:
    raise AssertionError("nothing here connects")


CLIENT = ClientPerProcess(no_client)  # type: ignore[arg-type] # it never connects
CLAIMS = TaskClaims.at("redis://localhost/2")


def an_app(broker: str = "redis://127.0.0.1:6379/0", backend: str | None = "redis://127.0.0.1/1") -> Celery:
    return Celery("shop", broker=broker, backend=backend, set_as_current=False)


def with_a_task(app: Celery) -> Celery:
    @app.task(name="shop.pay", shared=False)
    def pay() -> None: ...

    return app


def test_install_takes_an_app_whose_tasks_are_defined_but_not_made() -> None:
    app = with_a_task(an_app())
    install(app, CLIENT, CLAIMS)
    assert hasattr(app.tasks["shop.pay"], "update_state")


def test_install_a_second_time_is_refused() -> None:
    app = an_app()
    install(app, CLIENT, CLAIMS)
    with pytest.raises(ImproperlyConfigured, match=r"called before .* 'shop': call it once"):
        install(app, CLIENT, CLAIMS)


def test_install_after_the_app_is_finalized_names_the_tasks_that_it_would_miss() -> None:
    app = with_a_task(an_app())
    app.finalize()
    with pytest.raises(ImproperlyConfigured, match=r"too late for shop\.pay: .*straight after"):
        install(app, CLIENT, CLAIMS)


def test_install_after_a_task_was_used_is_refused() -> None:
    app = an_app()

    @app.task(name="shop.pay", shared=False)
    def pay() -> None: ...

    pay.s()
    with pytest.raises(ImproperlyConfigured, match=r"too late for shop\.pay"):
        install(app, CLIENT, CLAIMS)


@pytest.mark.parametrize("backend", [None, "rpc://"], ids=["none", "rpc"])
def test_an_app_whose_results_nobody_else_can_read_is_refused_on_both_sides(backend: str | None) -> None:
    app = an_app(backend=backend)
    with pytest.raises(ImproperlyConfigured, match=r"result.backend"):
        install(app, CLIENT, CLAIMS)
    with pytest.raises(ImproperlyConfigured, match=r"result.backend"):
        CeleryTasksPlugin(app, CLAIMS)


def test_tasks_that_workflows_answer_need_redis_for_their_results() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"need Redis .* redis:// URL"):
        TasksAnsweredByWorkflows(an_app(backend="cache+memory://"), CLIENT)
    TasksAnsweredByWorkflows(an_app(), CLIENT)


def test_claims_in_another_redis_than_the_apps_are_refused_on_both_sides() -> None:
    app, elsewhere = an_app(), "redis://other:6379/2"
    with pytest.raises(ImproperlyConfigured, match=r"at other:6379, .* uses 127\.0\.0\.1:6379: use .* elsewhere=True"):
        install(app, CLIENT, TaskClaims.at(elsewhere))
    with pytest.raises(ImproperlyConfigured, match="other:6379"):
        CeleryTasksPlugin(app, TaskClaims.at(elsewhere))


def test_claims_may_be_elsewhere_on_purpose_or_if_the_app_uses_no_redis() -> None:
    install(an_app(), CLIENT, TaskClaims.at("redis://other:6379/2", elsewhere=True))
    install(an_app("amqp://rabbit//", "db+sqlite:///results.db"), CLIENT, TaskClaims.at("redis://other:6379/2"))


def test_an_eager_app_is_installed_without_servers_and_cannot_send_to_a_worker() -> None:
    app = Celery("eager", set_as_current=False)
    app.conf.task_always_eager = True
    install(app, CLIENT, CLAIMS)
    with pytest.raises(ImproperlyConfigured, match=r"task_always_eager is on .*CeleryTasksInProcess"):
        CeleryTasksPlugin(app, CLAIMS)


def test_a_start_that_temporal_cannot_signal_is_refused() -> None:
    with pytest.raises(TypeError, match=r"such as \['order-1'\]"):
        StartWorkflow(workflow="PlaceOrder", args="order-1", task_queue="orders")
    with pytest.raises(ValueError, match="USE_EXISTING or TERMINATE_EXISTING"):
        StartWorkflow(workflow="PlaceOrder", task_queue="orders", id_conflict_policy=WorkflowIDConflictPolicy.FAIL)
    with pytest.raises(ValueError, match="TERMINATE_EXISTING"):
        StartWorkflow(
            workflow="PlaceOrder", task_queue="orders", id_reuse_policy=WorkflowIDReusePolicy.TERMINATE_IF_RUNNING
        )
