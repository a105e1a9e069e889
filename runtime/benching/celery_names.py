NOTHING_TASK = "bench.nothing"
CELERY_QUEUE = "bench"
AWAITING_QUEUE = "bench-awaiting"
