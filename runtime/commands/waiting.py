from typing import Annotated

import typer

Wait = Annotated[
    float, typer.Option(min=0, max=3600, metavar="SECONDS", help="So long a server may take until it answers.")
]
