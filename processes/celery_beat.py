"""`twinsaga serve celery-beat`: sends the sweeps on schedule. One is enough; a second one is harmless."""

from celery import signals
from celery.beat import Scheduler, Service

from estate.app import celery_app
from runtime.metrics import metrics_served
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.stopping import leave_in_time, stop_event

LEAVE_ANYWAY_S = 8.0


def main(settings: Settings) -> None:
    """Run until SIGTERM. The schedule is in memory only: an early sweep after a restart is harmless."""
    stop = stop_event()
    app = celery_app(settings)
    app.finalize()
    service = Service(app, scheduler_cls=Scheduler)
    signals.beat_init.connect(lambda **_: announce_ready(settings), weak=False)
    leave_in_time(stop, LEAVE_ANYWAY_S, service.stop)
    with metrics_served(settings):
        service.start()
