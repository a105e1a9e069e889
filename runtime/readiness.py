from runtime.settings import Settings


def announce_ready(settings: Settings) -> None:
    """Tell the supervisor, if there is one, that this process now does its work."""
    if settings.serve_ready_file is not None:
        settings.serve_ready_file.touch()
