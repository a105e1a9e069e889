"""Stores finished videos on any file system that fsspec supports."""

from contextlib import suppress
from pathlib import Path

from messaging.errors import Fault


class StorageFault(Fault):
    """The storage did not accept the file. A retry may help."""


class StorageNotInstalled(Exception):
    """No installed package supports the protocol of the URL. A retry does not help."""


class Storage:
    """`url` names a folder: `file:///srv/videos`, `s3://bucket/videos` (with the extra `s3`), `memory://videos`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def must_be_installed(self) -> None:
        """Raise StorageNotInstalled if the protocol is not supported. Opens no connection."""
        from fsspec import get_filesystem_class  # noqa: PLC0415 - only the Celery worker needs it

        protocol = self._url.partition("://")[0]
        try:
            get_filesystem_class(protocol)
        except (ImportError, ValueError) as error:
            install = "; install it with: pip install 'twinsaga[s3]'" if protocol == "s3" else ""
            raise StorageNotInstalled(f"{protocol}://: {error}{install}") from error

    def store(self, file: Path, name: str) -> str:
        """Return the URL of the stored file. Storing again overwrites it."""
        from fsspec.core import url_to_fs  # noqa: PLC0415 - only the Celery worker's children need it

        try:
            system, folder = url_to_fs(self._url)
            # Written under a temporary name, then renamed: no reader sees half a file under the final name.
            part, whole = f"{folder}/.{name}.part", f"{folder}/{name}"
            system.makedirs(folder, exist_ok=True)
            try:
                system.put_file(str(file), part)
                if system.exists(whole):
                    system.rm_file(whole)
                system.mv(part, whole)
            except OSError:
                with suppress(OSError):
                    system.rm_file(part)
                raise
        except (OSError, ImportError) as error:
            raise StorageFault(f"storage: {error}") from error
        return str(system.unstrip_protocol(whole))
