"""Encrypts the payloads of an embedded stack: its data folder keeps the keys, and the token of the codec server."""

from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from pydantic import SecretStr

from runtime.errors import CannotRun
from runtime.payload_keys import PayloadKeys, new_key
from runtime.settings import Settings

KEYS_FILE = "payload-keys"
TOKEN_FILE = "codec-token"  # noqa: S105 - the name of a file


def with_encryption(settings: Settings, *, asked: bool) -> Settings:
    """Return settings with keys and a token, if the settings have keys, the data folder does, or they are asked for.

    A folder whose histories are encrypted needs its keys at every start, so they count without being asked for.

    Raises CannotRun: the file with the keys is damaged.
    """
    folder = settings.data_dir
    keys = settings.temporal_payload_keys
    if keys is None and (asked or (folder / KEYS_FILE).exists()):
        keys = SecretStr(_kept(folder / KEYS_FILE, new_key(f"{datetime.now(UTC):%Y-%m-%d}")))
    if keys is None:
        return settings
    try:
        PayloadKeys.parse(keys.get_secret_value())
    except ValueError as error:
        raise CannotRun(f"{folder / KEYS_FILE}: {error}") from error
    token = settings.codec_token or SecretStr(_kept(folder / TOKEN_FILE, token_hex(24)))
    return settings.with_changes(temporal_payload_keys=keys, codec_token=token)


def _kept(file: Path, new: str) -> str:
    """Return the content of the file, which becomes `new` if it does not exist. The folder is locked by this stack."""
    if not file.exists():
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        part.touch(0o600)
        part.write_text(f"{new}\n")
        part.replace(file)
    return file.read_text().strip()
