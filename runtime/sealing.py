"""The keys with which card tokens and addresses are sealed, from the settings or, in development, the data folder."""

import os
from pathlib import Path

from adapters.sealing import AesGcmSeal, new_key, parse_keys
from runtime.errors import CannotRun
from runtime.settings import PREFIX, Settings
from services.names import PAYMENT_SERVICE, SHIPPING_SERVICE
from services.sealing import Seals


def payment_seal(settings: Settings) -> AesGcmSeal:
    """Opens card tokens. Raises CannotRun: there is no valid key."""
    return _seal(settings, "payment_sealing_keys", PAYMENT_SERVICE)


def shipping_seal(settings: Settings) -> AesGcmSeal:
    """Opens addresses. Raises CannotRun: there is no valid key."""
    return _seal(settings, "shipping_sealing_keys", SHIPPING_SERVICE)


def seals(settings: Settings) -> Seals:
    """What a process needs that accepts orders, or does the work of both services. Raises CannotRun."""
    return Seals(payment=payment_seal(settings), shipping=shipping_seal(settings))


def _seal(settings: Settings, name: str, owner: str) -> AesGcmSeal:
    configured = getattr(settings, name)
    variable = f"{PREFIX}{name}".upper()
    if configured is None and settings.environment == "production":
        raise CannotRun(f"{variable} is not set: orders are not accepted or handled without it, see docs/deploy.md")
    text = configured.get_secret_value() if configured is not None else _of_development(settings.data_dir, name)
    try:
        return AesGcmSeal(owner, parse_keys(text), accept_unsealed=settings.accept_unsealed)
    except ValueError as invalid:
        raise CannotRun(f"{variable}: {invalid}") from None


def _of_development(data_dir: Path, name: str) -> str:
    """Return the key of this data folder; the first process that needs it makes it."""
    file = data_dir.absolute() / "keys" / name
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_name(f".{name}.{os.getpid()}")
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as output:  # noqa: PTH123 - a descriptor
            output.write(new_key("development"))
        try:
            file.hardlink_to(part)  # fails if another process was faster, and its key stays
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return file.read_text()
