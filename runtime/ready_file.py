"""The file by which scripts and tests find a running stack."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from runtime.addresses import METRICS, address_of
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


def write_whole(file: Path, content: Mapping[str, Any]) -> None:
    """A reader sees the old content or the new one, never half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(file)
