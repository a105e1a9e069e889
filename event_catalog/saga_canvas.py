"""The saga as a table for each style, read from the code that runs.

Orchestrated steps come from the functions of `workflows.steps` and the activities that they call, choreographed ones
from the routing and the names of its policies. Both call the same methods of the services.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import NoneType
from typing import Any, Final, get_args, get_type_hints

from choreography.routing import GIVEN_UP_NEEDS_ATTENTION, OUT_OF_ATTEMPTS, ROUTING
from domain.events import Event, InventoryFailed, OrderCancelled, PaymentFailed, ShippingFailed
from domain.order import PIVOT, STEPS, Step
from messaging.vocabulary import tag_of
from runtime.settings import Settings
from services.names import SERVICES
from services.payments.service import PIX_EXPIRY
from workflows import options, steps

_COMPENSATION_OF: Final[Mapping[Step, Step]] = dict(
    zip(STEPS, reversed([step for step in Step if step not in STEPS]), strict=False)
)
_REFUSALS: Final = (OrderCancelled, PaymentFailed, InventoryFailed, ShippingFailed)
_POLICY_NAMES: Final = {Step.CANCEL_SHIPPING: "withdraw_shipping"}
"""Where a policy is not named after its step: it cancels the shipment only if that is not scheduled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What one step of the workflow calls: one method of one service."""

    command: str
    events: tuple[type[Event], ...]
    options: options.Remote

    @classmethod
    def of(cls, step: Step) -> "_Call":
        function = getattr(steps, step)
        tree = ast.parse(inspect.getsource(function))
        names = {node.id: node for node in ast.walk(tree) if isinstance(node, ast.Name)}
        activities = next(name for name in names if name.endswith("Activities"))
        method = next(
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == activities
        )
        chosen = next(each.value.id for each in _keywords(tree) if isinstance(each.value, ast.Name))
        hints = get_type_hints(getattr(getattr(steps, activities), method))
        answers = hints.pop("return")
        events = tuple(each for each in get_args(answers) or (answers,) if each is not NoneType)
        return cls(command=hints["command"].__name__, events=events, options=getattr(options, chosen))


def _keywords(tree: ast.AST) -> Iterator[ast.keyword]:
    """The options of the call: `**STEP`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (keyword for keyword in node.keywords if keyword.arg is None)


def orchestrated_canvas() -> str:
    """A Markdown table with a row for each step of the workflow, in its order."""
    rows = [
        "| step | kind | owner | command | events | refusal | compensation | deadline |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for step in STEPS:
        call, undo = _Call.of(step), _COMPENSATION_OF.get(step)
        undone = "none" if undo is None else _compensation(undo, _Call.of(undo))
        done = [event for event in call.events if event not in _REFUSALS]
        refused = [event for event in call.events if event in _REFUSALS and kind_of(step) != "retriable"]
        cells = (
            *(step, kind_of(step), _owner(done[0]), f"`{call.command}`", _tags(done), _tags(refused) or "none"),
            *(undone, _limit(call.options)),
        )
        rows.append(f"| {' | '.join(cells)} |")
    rows += ["", f"Every order is decided within {_minutes(options.ORDER_DEADLINE)}. {_pix()}"]
    return "\n".join(rows) + "\n"


def choreographed_canvas() -> str:
    """The same for the choreography, where an event takes the place of the command."""
    settings = Settings.model_fields
    attempts, longest = settings["parked_attempts"].default, settings["parked_longest_delay_seconds"].default
    rows = [
        "| step | kind | owner | when | events | refusal | compensation, when | deadline |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for step in STEPS:
        call, undo = _Call.of(step), _COMPENSATION_OF.get(step)
        done = [event for event in call.events if event not in _REFUSALS]
        refused = [event for event in call.events if event in _REFUSALS and kind_of(step) != "retriable"]
        owner, triggers = _triggers(step)
        undone = "none" if undo is None else f"{_policy_name(undo)}: {_tags(_triggers(undo)[1])}"
        limit = f"{attempts} attempts, at most {longest:g} s apart; then {_after_the_last(owner, triggers)}"
        cells = (step, kind_of(step), owner, _tags(triggers), _tags(done), _tags(refused) or "none", undone, limit)
        rows.append(f"| {' | '.join(cells)} |")
    silence = timedelta(seconds=settings["witness_silence_seconds"].default)
    rows += ["", f"After {_minutes(silence)} of silence the witness asks for the order's cancellation. {_pix()}"]
    return "\n".join(rows) + "\n"


def kind_of(step: Step) -> str:
    """Before the pivot a step can be undone; after it, it is retried until it succeeds."""
    if step is PIVOT:
        return "pivot"
    return "compensatable" if STEPS.index(step) < STEPS.index(PIVOT) else "retriable"


def _compensation(step: Step, call: _Call) -> str:
    return f"{step}: `{call.command}`, {_tags(call.events)}; {_limit(call.options)}"


def _limit(of: options.Remote) -> str:
    deadline, attempts = of["schedule_to_close_timeout"], of["retry_policy"].maximum_attempts
    if deadline is not None:
        return f"{_minutes(deadline)}, then the order is undone"
    return f"{attempts} attempts, then an operator" if attempts else "none: retried until it succeeds"


def _pix() -> str:
    return f"A pix payment is awaited for {_minutes(PIX_EXPIRY)}."


def _minutes(duration: timedelta) -> str:
    return f"{duration / timedelta(minutes=1):g} min"


def _triggers(step: Step) -> tuple[str, list[type[Event]]]:
    """Return the service whose policies do the step, and the events that lead to it."""
    name = f"_{_policy_name(step)}"
    found: list[tuple[str, type[Event]]] = [
        (service, event)
        for service, policies in ROUTING.items()
        for event, policy in policies.items()
        if policy.__name__.endswith(name)
    ]
    (owner,) = {service for service, _ in found}
    return owner, [event for _, event in found]


def _policy_name(step: Step) -> str:
    return _POLICY_NAMES.get(step, step.value)


def _after_the_last(service: str, triggers: list[type[Event]]) -> str:
    for event in triggers:
        if policy := OUT_OF_ATTEMPTS.get(service, {}).get(event):
            return f"`{policy.__name__}`"
        if tag_of(event) in GIVEN_UP_NEEDS_ATTENTION.get(service, ()):
            return "a dead letter, and the order needs attention"
    return "a dead letter"


def _owner(event: type[Event]) -> str:
    first_word = tag_of(event).partition(".")[0]
    return next(service for service in SERVICES if service.partition("-")[0] == first_word)


def _tags(events: Any) -> str:  # noqa: ANN401 - types of events
    return ", ".join(f"`{tag_of(event)}`" for event in events)
