from typing import Annotated
from uuid import UUID

import typer

from cli.chosen_stack import Data, ReadyFile, chosen_databases


def write_off(
    order_id: Annotated[UUID, typer.Argument(metavar="ORDER_ID")],
    note: Annotated[str, typer.Option(help="Why, for the record.")],
    data: Data = None,
    ready_file: ReadyFile = None,
) -> None:
    """Settle what the audit finds of an order that does not exist: "every record belongs to an order".

    Its money is refunded, its pieces are released and its shipment is cancelled; if the parcel is on its way, all of it
    stands. The audit then counts the order as written off, and names it again only if its money does not add up. The
    note and the time are stored in the table [bold]write_offs[/bold] of the orders database.

    It uses the databases directly, and prints which. Repeatable; the first note stays.

    Example: [bold]twinsaga write-off 6f1c0d52-... --note "placed on staging, ticket 481"[/bold]
    """
    from domain.errors import ImpossibleState
    from domain.ids import OrderId
    from messaging.errors import Fault
    from runtime.errors import CannotRun
    from runtime.write_off import write_off

    with chosen_databases(data, ready_file) as databases:
        try:
            undone = write_off(databases, OrderId(str(order_id)), note)
        except (Fault, ImpossibleState) as fault:
            raise CannotRun(f"not written off, try again: {fault}") from fault
    typer.echo(f"{order_id} is written off" + ("" if undone else "; its parcel is on its way, so nothing was undone"))
