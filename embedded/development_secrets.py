"""The API key and the webhook secret of an embedded stack: made at its first start, and kept in its data folder."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from adapters.clock import utc_now
from messaging.errors import Fault
from runtime.api_keys import open_api_keys
from runtime.errors import CannotRun
from runtime.run_folder import write_whole
from runtime.settings import Settings
from services.access.keys import ApiKeys, NewKey, Role, key_id_of

_NAME: Final = "development"
_NO_LIMIT: Final = 0


@dataclass(frozen=True, slots=True)
class DevelopmentSecrets:
    api_key: str
    webhook_secret: str


def development_secrets(settings: Settings) -> DevelopmentSecrets:
    """Return those of the last start, or make new ones, such as after the key was revoked.

    The key has all roles and no limit of requests. The databases must be migrated. Raises CannotRun: one is away.
    """
    file = settings.data_dir / "run" / "secrets.json"
    kept = _kept_in(file)
    try:
        with open_api_keys(settings) as keys:
            if kept is not None and _is_valid(kept.api_key, keys):
                return kept
            key = NewKey.make(_NAME, frozenset(Role), utc_now(), requests_per_minute=_NO_LIMIT)
            keys.add(key.record)
    except Fault as away:
        raise CannotRun(f"the development key could not be made: {away}") from away
    made = DevelopmentSecrets(key.text, kept.webhook_secret if kept else f"whsec_{secrets.token_urlsafe(32)}")
    write_whole(file, asdict(made))
    return made


def _kept_in(file: Path) -> DevelopmentSecrets | None:
    try:
        return DevelopmentSecrets(**json.loads(file.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _is_valid(text: str, keys: ApiKeys) -> bool:
    key_id = key_id_of(text)
    found = keys.find(key_id) if key_id else None
    return found is not None and found.accepts(text) and found.roles == frozenset(Role)
