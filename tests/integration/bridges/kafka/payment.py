from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError


@workflow.defn
class Payment:
    """Fails for the amount 0."""

    @workflow.run
    async def run(self, customer: str, data: dict[str, Any]) -> str:
        if not data["number"]:
            raise ApplicationError("nothing to pay")
        return f"{customer} paid {data['number']}"
