from asyncio import sleep, to_thread

from runtime.benching.scoring import Scores
from runtime.benching.stand import Stand
from runtime.wiring import audit_of

LOOKS = 20
LOOK_AGAIN_S = 0.5
SHOWN = 20


async def audited(stand: Stand, scores: Scores) -> None:
    """Hold the stack to every invariant, once it is at rest. What is broken is a problem of the run."""
    with scores.noting_problems("audit"):
        await stand.at_rest()
        verdict = await to_thread(audit_of, stand.databases)
        for _ in range(LOOKS):
            if verdict.ok:
                return
            await sleep(LOOK_AGAIN_S)
            verdict = await to_thread(audit_of, stand.databases)
        scores.problems.extend(
            f"audit: {broken.order_id or 'all orders'}: {broken.invariant}: {broken.detail}"
            for broken in verdict.broken[:SHOWN]
        )
