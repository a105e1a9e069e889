"""`twinsaga serve flower`: the web page of the Celery workers and their tasks."""

from functools import partial
from urllib.parse import urlsplit

from estate.app import celery_app
from runtime.errors import CannotRun
from runtime.readiness import announce_ready
from runtime.settings import PREFIX, Settings
from runtime.stopping import leave_in_time, stop_event

LEAVE_ANYWAY_S = 8.0


def main(settings: Settings) -> None:
    """Run until SIGTERM. Raises CannotRun: in production without a password."""
    if settings.environment == "production" and settings.flower_password is None:
        raise CannotRun(f"{PREFIX}FLOWER_PASSWORD is not set: everybody who reaches Flower could revoke tasks")
    stop = stop_event()
    from flower.app import Flower  # noqa: PLC0415 - defines command-line options at import
    from flower.command import apply_options  # noqa: PLC0415
    from flower.urls import settings as tornado_settings  # noqa: PLC0415
    from tornado.options import options  # noqa: PLC0415

    address = urlsplit(settings.flower_url)
    apply_options("flower", [f"--address={address.hostname}", f"--port={address.port}", "--logging=none"])
    if settings.flower_password is not None:
        # Not through the arguments, which would divide a password at its commas.
        options.basic_auth = [f"{settings.flower_user}:{settings.flower_password.get_secret_value()}"]
    flower = Flower(capp=celery_app(settings), options=options, **tornado_settings)
    flower.start_http_server()
    flower.io_loop.add_callback(announce_ready, settings)
    leave_in_time(stop, LEAVE_ANYWAY_S, partial(flower.io_loop.add_callback, flower.io_loop.stop))
    flower.start()
