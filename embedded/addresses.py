"""The addresses of the embedded stack: those of the settings, or free ports."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from embedded.payload_encryption import TOKEN_FILE
from embedded.ports import PortReservations, is_free
from processes.registry import CODEC_SERVER, PROCESSES
from runtime.errors import CannotRun
from runtime.settings import PREFIX, Settings

LOCAL_HOSTS = {"127.0.0.1", "localhost", "0.0.0.0", "::1"}  # noqa: S104 - recognised, not bound
TEMPORAL, TEMPORAL_UI, KAFKA, REDIS, API, FLOWER, SMTP, MAIL_PAGE, CODEC = (
    "temporal_address",
    "temporal_ui_url",
    "kafka_bootstrap",
    "redis_url",
    "api_port",
    "flower_url",
    "smtp_address",
    "mail_page_url",
    "codec_server_url",
)
_NO_METRICS = {"flower", "mail", CODEC_SERVER}
"""Flower serves metrics of its own, at its own address."""

METRICS = {name: f"{name.replace('-', '_')}_metrics_port" for name in PROCESSES if name not in _NO_METRICS}

LISTENING = {
    "temporal": (TEMPORAL, TEMPORAL_UI),
    "kafka": (KAFKA,),
    "redis": (REDIS,),
    "flower": (FLOWER,),
    "mail": (SMTP, MAIL_PAGE),
    CODEC_SERVER: (CODEC,),
    **{name: (setting,) for name, setting in METRICS.items()},
    "api": (API, METRICS["api"]),
}
HOST_OF_PORT = {API: "api_host", **dict.fromkeys(METRICS.values(), "metrics_host")}
"""Settings that hold only a port, each with the setting that holds its host."""

PAGES = {TEMPORAL_UI, FLOWER, MAIL_PAGE, CODEC}


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def address_of(settings: Settings, setting: str) -> Address:
    """Raises CannotRun if the setting names no port, or several servers."""
    if setting in HOST_OF_PORT:
        return Address(getattr(settings, HOST_OF_PORT[setting]), getattr(settings, setting))
    value = getattr(settings, setting)
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if "," in text:
        raise CannotRun(f"{PREFIX}{setting.upper()} names several servers: leave that engine out with --only")
    parts = urlsplit(text if "//" in text else f"//{text}")
    if parts.hostname is None or parts.port is None:
        raise CannotRun(f"{PREFIX}{setting.upper()} must name a host and a port for the embedded stack")
    return Address(parts.hostname, parts.port)


def with_free_ports(settings: Settings, names: Iterable[str], ports: PortReservations) -> Settings:
    def value(setting: str) -> object:
        if setting in HOST_OF_PORT:
            return ports.take(getattr(settings, HOST_OF_PORT[setting]))
        local = Address("127.0.0.1", ports.take("127.0.0.1"))
        if setting in PAGES:
            return f"http://{local}"
        return SecretStr(f"redis://{local}") if setting == REDIS else str(local)

    return settings.with_changes(**{setting: value(setting) for setting in _listening(names)})


def refuse_taken_ports(settings: Settings, names: Iterable[str]) -> None:
    """Raises CannotRun, which names the setting, if a port is in use or an address is of another machine."""
    for setting in _listening(names):
        variable = f"{PREFIX}{setting.upper()}"
        address = address_of(settings, setting)
        if setting not in HOST_OF_PORT and address.host not in LOCAL_HOSTS:
            raise CannotRun(f"{variable} names another machine, {address}: leave that engine out with --only")
        if not is_free(address.host, address.port):
            raise CannotRun(f"port {address} is in use: set {variable} to another one, or use --free-ports")


def all_ports_free(settings: Settings, names: Iterable[str]) -> bool:
    return all(is_free(*address_of(settings, setting)) for setting in _listening(names))


def _listening(names: Iterable[str]) -> list[str]:
    return [setting for name in names for setting in LISTENING.get(name, ())]


def ready_content(settings: Settings, names: Iterable[str], processes: Mapping[str, int]) -> dict[str, Any]:
    """Return the content of the ready file, by which scripts and tests find a running stack.

    An engine that is not started here has the address of the settings; its pages are left out.
    """
    content: dict[str, Any] = {
        "temporal": settings.temporal_address,
        "kafka": settings.kafka_bootstrap,
        "redis": settings.redis_url.get_secret_value(),
        "data": str(settings.data_dir),
        "processes": dict(processes),
    }
    if settings.installation:
        content["installation"] = settings.installation
    if "api" in names:
        content["api"] = f"http://{address_of(settings, 'api_port')}"
    if "temporal" in names:
        content["temporal_ui"] = settings.temporal_ui_url
    if "flower" in names:
        content["flower"] = settings.flower_url
    if "mail" in names:
        content["mail"] = settings.mail_page_url
    if CODEC_SERVER in names:
        content["codec_server"] = settings.codec_server_url
        if (token := settings.data_dir / TOKEN_FILE).exists():
            content["codec_token_file"] = str(token)
    if metrics := {name: f"http://{address_of(settings, METRICS[name])}/metrics" for name in names if name in METRICS}:
        content["metrics"] = metrics
    return content
