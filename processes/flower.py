"""`twinsaga serve flower`: the web page of the Celery workers and their tasks."""

import threading
from urllib.parse import urlsplit

from estate.app import celery_app
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.stopping import leave_anyway, stop_event

LEAVE_ANYWAY_S = 8.0


def main(settings: Settings) -> None:
    """Run until SIGTERM."""
    stop = stop_event()
    from flower.app import Flower  # noqa: PLC0415 - defines command-line options at import
    from flower.command import apply_options  # noqa: PLC0415
    from flower.urls import settings as tornado_settings  # noqa: PLC0415
    from tornado.options import options  # noqa: PLC0415

    address = urlsplit(settings.flower_url)
    apply_options("flower", [f"--address={address.hostname}", f"--port={address.port}", "--logging=none"])
    flower = Flower(capp=celery_app(settings), options=options, **tornado_settings)
    flower.start_http_server()
    flower.io_loop.add_callback(announce_ready, settings)
    threading.Thread(target=_stop, args=(flower, stop), daemon=True).start()
    flower.start()


def _stop(flower: "object", stop: threading.Event) -> None:
    stop.wait()
    leave_anyway(LEAVE_ANYWAY_S)
    loop = flower.io_loop  # type: ignore[attr-defined] # Flower ships no types
    loop.add_callback(loop.stop)
