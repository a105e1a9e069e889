"""The saga canvas says what the code does. That the page is up to date: tests/unit/test_event_documents.py."""

from choreography.routing import ROUTING
from domain.order import STEPS
from event_catalog.saga_canvas import choreographed_canvas, kind_of, orchestrated_canvas

OF_NO_STEP = {"when_shipping_scheduled_sell_inventory", "when_payment_settled_book_payment"}
"""The sale and the settlement belong to the steps before them, and have no state of their own."""


def rows(canvas: str) -> dict[str, list[str]]:
    """The cells of each step."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in canvas.splitlines() if line.startswith("|")]
    return {step: rest for step, *rest in cells[2:]}


def test_the_pivot_divides_what_can_be_undone_from_what_is_retried() -> None:
    assert [kind_of(step) for step in STEPS] == [*3 * ["compensatable"], "pivot", "retriable"]


def test_both_styles_have_the_same_steps_owners_events_and_refusals() -> None:
    orchestrated, choreographed = rows(orchestrated_canvas()), rows(choreographed_canvas())

    assert list(orchestrated) == list(choreographed) == [step.value for step in STEPS]
    for step, (kind, owner, _, events, refusal, *_) in orchestrated.items():
        assert choreographed[step][:2] == [kind, owner]
        assert choreographed[step][3:5] == [events, refusal]


def test_each_compensation_stands_beside_the_step_that_it_undoes() -> None:
    undone = {step: cells[5].partition(":")[0] for step, cells in rows(orchestrated_canvas()).items()}

    assert undone == {
        "create_order": "cancel_order",
        "charge_payment": "refund_payment",
        "reserve_inventory": "release_inventory",
        "schedule_shipping": "cancel_shipping",
        "confirm_order": "none",
    }


def test_every_policy_is_in_the_canvas() -> None:
    canvas = choreographed_canvas()
    ends = [cells[5].partition(":")[0] for cells in rows(canvas).values()] + [step.value for step in STEPS]
    policies = {policy.__name__ for of_service in ROUTING.values() for policy in of_service.values()}

    assert {policy for policy in policies if not policy.endswith(tuple(ends))} == OF_NO_STEP


def test_the_deadlines_are_those_of_the_workflow_and_of_the_settings() -> None:
    orchestrated, choreographed = rows(orchestrated_canvas()), rows(choreographed_canvas())

    assert orchestrated["charge_payment"][6] == "5 min, then the order is undone"
    assert orchestrated["confirm_order"][6] == "none: retried until it succeeds"
    assert "8 attempts, then an operator" in orchestrated["charge_payment"][5]
    assert choreographed["charge_payment"][6].endswith("then `when_charge_runs_out_of_attempts_abort_payment`")
