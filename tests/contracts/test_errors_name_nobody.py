"""The text of a database error goes to logs and dead letters. It must not quote rows, which contain personal data."""

import traceback

import pytest
from sqlalchemy import exc

from domain.commands import CreateOrder, PlaceOrder
from domain.order import SagaStyle
from runtime.wiring import Services
from tests.support.examples import BOOK, PRICE, a_request
from tests.support.faulty_databases import refusing_changes
from tests.support.service_databases import Urls


def test_the_error_about_a_refused_row_does_not_quote_it(services: Services, urls: Urls) -> None:
    services.orders.set_price(BOOK, PRICE)
    request = a_request()
    services.orders.place(PlaceOrder(request=request, style=SagaStyle.ORCHESTRATED, fingerprint="f"))

    with refusing_changes(urls.database_url("orders"), "orders"), pytest.raises(exc.IntegrityError) as refused:
        services.orders.create(CreateOrder(order=request))

    told = "".join(traceback.format_exception(refused.value))
    assert [part for part in (request.order_id, request.customer_id, "Ana", "tok_visa") if part in told] == []
    assert "UPDATE orders" in told
