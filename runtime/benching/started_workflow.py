"""The workflow that is only ever started: no worker serves its task queue, since a start needs none."""

STARTED = "OnlyStarted"
STARTED_QUEUE = "bench-started"
EVENT_TYPE = "bench.started"
SOURCE = "/bench"
CALLS_AT_ONCE = 50
"""As many as the bridge has at Temporal at a time, by its own default."""
