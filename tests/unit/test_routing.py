"""The folder listing, the routing table and the types of the policies agree."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import choreography
from choreography.routing import OUT_OF_ATTEMPTS, ROUTING, WITHOUT_POLICY, Policy
from domain.events import Event
from messaging.vocabulary import tag_of
from services.inventory.service import InventoryService
from services.names import INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE
from services.orders.service import OrderService
from services.payments.service import PaymentService
from services.shipping.service import ShippingService

SERVICES = {
    ORDER_SERVICE: OrderService,
    PAYMENT_SERVICE: PaymentService,
    INVENTORY_SERVICE: InventoryService,
    SHIPPING_SERVICE: ShippingService,
}


def rows() -> Iterator[tuple[str, type[Event], Policy]]:
    for table in (ROUTING, OUT_OF_ATTEMPTS):
        for service, policies in table.items():
            for event, policy in policies.items():
                yield service, event, policy


def _name(value: object) -> str:
    return str(getattr(value, "__name__", value))


def test_every_policy_in_the_folder_is_routed_and_no_other() -> None:
    folder = Path(choreography.__file__).parent

    assert sorted(policy.__name__ for _, _, policy in rows()) == sorted(file.stem for file in folder.glob("when_*.py"))


@pytest.mark.parametrize(("service", "event", "policy"), list(rows()), ids=_name)
def test_a_policy_is_routed_to_its_event_and_its_service(service: str, event: type[Event], policy: Policy) -> None:
    hints = get_type_hints(policy)
    service_type, *_ = [hint for name, hint in hints.items() if name not in {"event", "return"}]

    assert hints["event"] is event
    assert service_type is SERVICES[service]


def test_every_event_has_a_policy_or_is_listed_without_one() -> None:
    routed = {event for _, event, _ in rows()}

    assert routed | WITHOUT_POLICY == set(get_args(Event))
    assert not routed & WITHOUT_POLICY


def test_a_replacement_out_of_attempts_belongs_to_a_routed_event() -> None:
    for service, policies in OUT_OF_ATTEMPTS.items():
        assert set(policies) <= set(ROUTING[service])


def test_tag_of_returns_the_type_on_the_wire() -> None:
    assert {tag_of(event) for event in get_args(Event)} == {
        get_args(get_type_hints(event)["type"])[0] for event in get_args(Event)
    }
