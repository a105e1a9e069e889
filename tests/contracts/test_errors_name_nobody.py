"""What a database says of an error goes to logs and dead letters. It quotes no row: there may be names in it."""

import traceback

import pytest
from sqlalchemy import exc

from domain.commands import CreateOrder, PlaceOrder
from domain.order import SagaStyle
from runtime.wiring import Services
from tests.support.examples import BOOK, PRICE, a_request
from tests.support.faulty_databases import refusing_changes
from tests.support.service_databases import Urls


def test_a_row_that_is_refused_is_not_quoted(services: Services, urls: Urls) -> None:
    services.orders.set_price(BOOK, PRICE)
    request = a_request()
    services.orders.place(PlaceOrder(request=request, style=SagaStyle.ORCHESTRATED, fingerprint="f"))

    with refusing_changes(urls.database_url("orders"), "orders"), pytest.raises(exc.IntegrityError) as refused:
        services.orders.create(CreateOrder(order=request))

    told = "".join(traceback.format_exception(refused.value))
    assert [part for part in (request.order_id, "customer_id", "Ana", "tok_visa") if part in told] == []
    assert "UPDATE orders" in told
