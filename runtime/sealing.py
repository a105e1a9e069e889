"""The keys with which card tokens and addresses are sealed, from the settings or, in development, the data folder."""

from adapters.key_ring import KeyRing, new_key
from adapters.sealing import AesGcmSeal
from runtime.errors import CannotRun
from runtime.private_files import kept
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
    if configured is not None:
        text = configured.get_secret_value()
    else:
        text = kept(settings.data_dir.absolute() / "keys" / name, lambda: new_key("development"))
    try:
        return AesGcmSeal(owner, KeyRing.parse(text), accept_unsealed=settings.accept_unsealed)
    except ValueError as invalid:
        raise CannotRun(f"{variable}: {invalid}") from None
