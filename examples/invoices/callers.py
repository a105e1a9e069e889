"""The callers: they know Celery and nothing else. `python callers.py 20` sends twenty invoices."""

import sys

from tasks import send

AMOUNT = 1250
RESULT_WITHIN_S = 300

sent = {number: send.delay(number, AMOUNT) for number in (f"2026-{count}" for count in range(int(sys.argv[1])))}
for number, result in sent.items():
    print(number, "paid", result.get(timeout=RESULT_WITHIN_S), flush=True)
