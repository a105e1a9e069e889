"""The file by which scripts and tests find a running stack."""

from collections.abc import Iterable, Mapping
from typing import Any

from embedded.addresses import METRICS, address_of
from runtime.settings import Settings


def ready_content(settings: Settings, names: Iterable[str], processes: Mapping[str, int]) -> dict[str, Any]:
    """An engine that was left out is named by the address that the settings give; a page that nobody serves is not."""
    content: dict[str, Any] = {
        "temporal": settings.temporal_address,
        "kafka": settings.kafka_bootstrap,
        "redis": settings.redis_url.get_secret_value(),
        "data": str(settings.data_dir),
        "processes": dict(processes),
    }
    if "api" in names:
        content["api"] = f"http://{address_of(settings, 'api_port')}"
    if "temporal" in names:
        content["temporal_ui"] = settings.temporal_ui_url
    if "flower" in names:
        content["flower"] = settings.flower_url
    if "mail" in names:
        content["mail"] = settings.mail_page_url
    if metrics := {name: f"http://{address_of(settings, METRICS[name])}/metrics" for name in names if name in METRICS}:
        content["metrics"] = metrics
    return content
