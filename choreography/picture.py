"""The choreography as a picture and as a table, drawn from its routing, so that neither can say anything else."""

from collections.abc import Iterator
from typing import get_args

from choreography.routing import OUT_OF_ATTEMPTS, ROUTING, Policy, tag_of
from domain.events import Event, PaymentSettled

_GATEWAY = "gateway"


def picture_of_the_choreography() -> str:
    """A Mermaid flowchart: from the service that says an event, through the event, to the services that react to it."""
    lines = ["flowchart LR", *(f"    {service}[{_title(service)}]" for service in ROUTING)]
    lines += [f"    {_GATEWAY}([Payment gateway])"]
    for event in get_args(Event):
        said = tag_of(event).replace(".", "-")
        lines += [f'    {speaker_of(event)} --> {said}("{tag_of(event)}")']
        lines += [f"    {said} --> {service}" for service, _ in _reactions_to(event)]
    return "\n".join(lines) + "\n"


def table_of_the_policies() -> str:
    """A Markdown table: each event, and who reacts to it by which policy."""
    rows = ["| event | said by | reacts | policy |", "|---|---|---|---|"]
    for event in get_args(Event):
        reactions = [f"{_title(service)} | `{policy.__name__}` |" for service, policy in _reactions_to(event)]
        rows += [f"| `{tag_of(event)}` | {_title(speaker_of(event))} | {one}" for one in reactions or ["nobody | |"]]
    for service, policies in OUT_OF_ATTEMPTS.items():
        for event, policy in policies.items():
            said = f"`{tag_of(event)}`, out of attempts | {_title(speaker_of(event))}"
            rows.append(f"| {said} | {_title(service)} | `{policy.__name__}` |")
    return "\n".join(rows) + "\n"


def speaker_of(event: type[Event]) -> str:
    """The service that says events of this class, which the first word of the tag names; or the gateway."""
    return _GATEWAY if event is PaymentSettled else f"{tag_of(event).partition('.')[0]}-service"


def _reactions_to(event: type[Event]) -> Iterator[tuple[str, Policy]]:
    for service, policies in ROUTING.items():
        if event in policies:
            yield service, policies[event]


def _title(service: str) -> str:
    return service.partition("-")[0].capitalize()
