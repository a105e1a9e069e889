"""`twinsaga serve celery-beat`: sends the sweeps on time. One is enough; two do no harm."""

import threading

from celery import signals
from celery.beat import Scheduler, Service

from estate.app import celery_app
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.stopping import leave_anyway, stop_event

LEAVE_ANYWAY_S = 8.0


def main(settings: Settings) -> None:
    """Run until SIGTERM. The schedule lives in memory: a sweep that comes early after a restart does no harm."""
    stop = stop_event()
    app = celery_app(settings)
    app.finalize()
    service = Service(app, scheduler_cls=Scheduler)
    signals.beat_init.connect(lambda **_: announce_ready(settings), weak=False)
    threading.Thread(target=_stop, args=(service, stop), daemon=True).start()
    service.start()


def _stop(service: Service, stop: threading.Event) -> None:
    stop.wait()
    leave_anyway(LEAVE_ANYWAY_S)
    service.stop()
