"""Encrypts the payloads of an embedded stack: its data folder keeps the keys, and the token of the codec server."""

from datetime import UTC, datetime
from secrets import token_hex

from pydantic import SecretStr

from adapters.key_ring import KeyRing, new_key
from runtime.errors import CannotRun
from runtime.private_files import kept
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
        keys = SecretStr(kept(folder / KEYS_FILE, lambda: new_key(f"{datetime.now(UTC):%Y-%m-%d}")))
    if keys is None:
        return settings
    try:
        KeyRing.parse(keys.get_secret_value())
    except ValueError as error:
        raise CannotRun(f"{folder / KEYS_FILE}: {error}") from error
    token = settings.codec_token or SecretStr(kept(folder / TOKEN_FILE, lambda: token_hex(24)))
    return settings.with_changes(temporal_payload_keys=keys, codec_token=token)
