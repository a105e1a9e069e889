"""The choreography as a picture and as a table, generated from its routing so that both stay true."""

from collections.abc import Iterator
from typing import get_args

from choreography.routing import OUT_OF_ATTEMPTS, ROUTING, Policy
from domain.events import Event, PaymentSettled
from messaging.vocabulary import tag_of
from services.names import GATEWAY, SERVICES


def picture_of_the_choreography() -> str:
    """A Mermaid flowchart: from the service that publishes an event, through the event, to the services that react."""
    lines = ["flowchart LR", *(f"    {service}[{_title(service)}]" for service in ROUTING)]
    lines += [f"    {GATEWAY}([Payment gateway])"]
    for event in get_args(Event):
        node = tag_of(event).replace(".", "-")
        lines += [f'    {publisher_of(event)} --> {node}("{tag_of(event)}")']
        lines += [f"    {node} --> {service}" for service, _ in _reactions_to(event)]
    return "\n".join(lines) + "\n"


def table_of_the_policies() -> str:
    """A Markdown table: each event, its publisher, and the services that react to it by which policy."""
    rows = ["| event | published by | consumer | policy |", "|---|---|---|---|"]
    for event in get_args(Event):
        reactions = [f"{_title(service)} | `{policy.__name__}` |" for service, policy in _reactions_to(event)]
        rows += [
            f"| `{tag_of(event)}` | {_title(publisher_of(event))} | {reaction}"
            for reaction in reactions or ["none | |"]
        ]
    for service, policies in OUT_OF_ATTEMPTS.items():
        for event, policy in policies.items():
            source = f"`{tag_of(event)}`, out of attempts | {_title(publisher_of(event))}"
            rows.append(f"| {source} | {_title(service)} | `{policy.__name__}` |")
    return "\n".join(rows) + "\n"


def publisher_of(event: type[Event]) -> str:
    """The service that publishes events of this class, which the first word of the tag names; or the gateway."""
    if event is PaymentSettled:
        return GATEWAY
    return next(service for service in SERVICES if _first_word(service) == tag_of(event).partition(".")[0])


def _reactions_to(event: type[Event]) -> Iterator[tuple[str, Policy]]:
    for service, policies in ROUTING.items():
        if event in policies:
            yield service, policies[event]


def _title(service: str) -> str:
    return _first_word(service).capitalize()


def _first_word(service: str) -> str:
    return service.partition("-")[0]
