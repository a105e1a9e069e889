"""What a start in production is refused for: secrets that everybody knows, and those that were forgotten."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from runtime.settings import Settings

KNOWN_PASSWORDS = frozenset({"", "change-me", "changeme", "password", "postgres", "secret", "twinsaga"})
"""`change-me` is what the example of the compose file says."""


def unfit_secrets(settings: "Settings") -> list[str]:
    """One line for each, which names the variable and never the secret."""
    return [f"TWINSAGA_{name.upper()}: {why}" for name, why in _unfit(settings)]


def _unfit(settings: "Settings") -> Iterator[tuple[str, str]]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == "redis_url" and name not in settings.model_fields_set:
            yield name, "is not set, and the default has no password"
        elif isinstance(value, SecretStr) and _password_of(value.get_secret_value()) in KNOWN_PASSWORDS:
            yield name, "has a password that everybody knows"


def _password_of(secret: str) -> str | None:
    """None for a URL that carries none: its password comes from elsewhere, or the server asks for none."""
    if "://" not in secret:
        return secret
    password = urlsplit(secret).password
    return None if password is None else unquote(password)
