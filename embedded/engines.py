"""The commands of the three engines of the embedded stack, each with its readiness check."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from embedded.addresses import KAFKA, REDIS, TEMPORAL, TEMPORAL_UI, address_of
from embedded.binaries import kafka_binary, redis_binary, temporal_binary
from embedded.program import Program
from runtime.readiness import http_answers, kafka_answers, redis_answers
from runtime.settings import PREFIX, Settings
from services.names import SEARCH_ATTRIBUTES


def _environment() -> dict[str, str]:
    """Without our variables and those of OpenTelemetry: the keys of payloads must not be where Temporal is.

    Temporal's server reads the latter, too. It does not start with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, and else
    would send spans of its own.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "OTEL_"))}


def temporal(settings: Settings) -> Program:
    server, ui = address_of(settings, TEMPORAL), address_of(settings, TEMPORAL_UI)
    command = [temporal_binary(settings.temporal_binary), "server", "start-dev"]
    command += ["--disable-config-file", "--disable-config-env", "--log-level", "warn"]
    command += ["--ip", server.host, "--port", str(server.port), "--ui-ip", ui.host, "--ui-port", str(ui.port)]
    command += ["--namespace", settings.temporal_namespace]
    if settings.payload_keys is not None:
        command += ["--ui-codec-endpoint", settings.codec_server_url]
    # The default file store collapses under load.
    command += ["--db-filename", str(settings.data_dir / "temporal.db"), "--sqlite-pragma", "journal_mode=wal"]
    # By default the server polls its one shard 20 times a second, which adds 40 ms to every workflow task.
    command += ["--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000"]
    for attribute in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{attribute}=Keyword"]
    # Through the UI, so that one request checks both.
    probe = partial(http_answers, ui.host, ui.port, f"/api/v1/namespaces/{settings.temporal_namespace}")
    return Program(name="temporal", command=tuple(command), environment=_environment(), answers=probe)


def kafka(settings: Settings) -> Program:
    address = address_of(settings, KAFKA)
    command = [kafka_binary(settings.kafka_binary), "broker", "--cluster-id", "twinsaga"]
    command += ["--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}"]
    command += ["--storage-engine", "memory://tansu/"]
    return Program(
        name="kafka",
        command=tuple(command),
        environment=_environment(),
        answers=partial(kafka_answers, *address),
    )


def redis(settings: Settings) -> Program:
    address, folder = address_of(settings, REDIS), settings.data_dir / "redis"
    command = [redis_binary(settings.redis_binary), "--bind", address.host, "--port", str(address.port)]
    command += ["--dir", str(folder), "--appendonly", "yes", "--save", "", "--daemonize", "no"]
    return Program(
        name="redis",
        command=tuple(command),
        environment=_environment(),
        answers=partial(redis_answers, *address),
        before_start=partial(Path.mkdir, folder, parents=True, exist_ok=True),
    )


ENGINES: dict[str, Callable[[Settings], Program]] = {"temporal": temporal, "kafka": kafka, "redis": redis}
