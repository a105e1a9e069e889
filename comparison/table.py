"""The comparison as a table for the terminal."""

from collections.abc import Sequence

from rich.table import Table

from comparison.side_by_side import Row

CAPTION = (
    "Seconds from placed to finished. Events are what the services recorded; messages are what the engine kept:"
    " Temporal history events, or Kafka records. Means an order."
)


def side_by_side_table(rows: Sequence[Row]) -> Table:
    table = Table(title="The same orders, both ways", caption=CAPTION, caption_justify="left")
    for name in ("scenario", "style", "outcome"):
        table.add_column(name)
    for name in ("orders", "p50 s", "p99 s", "events", "messages"):
        table.add_column(name, justify="right")
    for number, row in enumerate(rows):
        new_scenario = number == 0 or rows[number - 1].scenario != row.scenario
        last_of_scenario = number + 1 == len(rows) or rows[number + 1].scenario != row.scenario
        table.add_row(
            row.scenario.name if new_scenario else "",
            row.style,
            ", ".join(row.outcomes),
            str(row.orders),
            f"{row.p50:.3f}",
            f"{row.p99:.3f}",
            f"{row.events:.1f}",
            f"{row.messages:.1f}",
            style="red" if row.unexpected else None,
            end_section=last_of_scenario,
        )
    return table
