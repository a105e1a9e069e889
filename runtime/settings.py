"""Every setting, and the only reader of the environment.

The setting `topic_partitions` is the variable `TWINSAGA_TOPIC_PARTITIONS`. A secret may also come from a file, which
`TWINSAGA_..._FILE` names; the variable itself takes precedence. The embedded stack listens on the addresses below, so
changing an address changes the port.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from adapters.key_ring import KeyRing
from runtime.errors import CannotRun

PREFIX = "TWINSAGA_"

KNOWN_PASSWORDS = frozenset(
    {"", "admin", "changeit", "default", "foobared", "guest", "letmein", "password", "postgres", "redis", "root"}
    | {"secret", "temporal", "test", "twinsaga"}
)
"""Refused in production, in any case: those of examples, images and manuals of the servers."""
PLACEHOLDER = "changeme"
"""Refused anywhere in a secret, also as `Change-Me` or `CHANGE_ME`."""
SHORTEST_TOKEN = 24
"""Characters. A token that others could guess would need a limit on wrong ones."""

Port = Annotated[int, Field(ge=1, le=65535)]
HostAndPort = Annotated[str, Field(pattern=r"^[^\s:/]+:\d{1,5}$")]
Bootstrap = Annotated[str, Field(pattern=r"^[^\s:/,]+:\d{1,5}(,[^\s:/,]+:\d{1,5})*$")]
HostNames = Annotated[str, Field(pattern=r"^(?:(?:\*\.)?[A-Za-z0-9.-]+(?:,(?:\*\.)?[A-Za-z0-9.-]+)*)?$")]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+[^\s/]$")]
# Without user and password: the page shows it to anybody.
TraceUi = Annotated[str, Field(pattern=r"^https?://[^\s/@{}]+/[^\s{}]*\{trace_id\}[^\s{}]*$")]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the secret `x` from the file that `TWINSAGA_X_FILE` names, without its last newline.

    Docker, Kubernetes and systemd hand out secrets this way.
    """

    def __init__(self, settings_cls: type[BaseSettings], environment: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._environment = environment

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{PREFIX}{field_name}_file".upper()
        path = self._environment.get(variable) if _is_secret(field) else None
        if path is None:
            return None, field_name, False
        try:
            return Path(path).read_text().rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as unreadable:
            raise CannotRun(f"{variable}: {path} cannot be read: {unreadable}") from unreadable

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    environment: Literal["development", "production"] = "development"  # production refuses well-known passwords
    data_dir: Path = Path("var/stack")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "json"

    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    # More names that the API answers to, separated by commas: shop.example.com,*.shop.internal
    api_hosts: HostNames = ""

    # The key that our own commands send. The commands find the embedded stack's themselves.
    api_key: SecretStr | None = None
    requests_per_minute: Annotated[int, Field(ge=0)] = 6_000  # of each key, by each API process; 0: no limit
    # With which the payment gateway signs its calls. While it is replaced: the new secret, and the previous one.
    webhook_secret: SecretStr | None = Field(default=None, min_length=16)
    webhook_previous_secret: SecretStr | None = Field(default=None, min_length=16)

    temporal_address: HostAndPort = "127.0.0.1:7233"
    temporal_ui_url: HttpUrl = "http://127.0.0.1:8233"
    temporal_namespace: str = "default"
    temporal_task_queue: str = "order-sagas"
    temporal_profile: str | None = None  # in Temporal's configuration file: TLS and API keys
    workflow_sandbox: bool = False  # enable it while you change a workflow: docs/worker-versioning.md
    temporal_build_id: str | None = None  # makes the saga worker a version: docs/worker-versioning.md

    # ID:HEX, ...: the first key encrypts what Temporal stores, the others decrypt older payloads: docs/security.md
    temporal_payload_keys: SecretStr | None = None
    # The codec server decrypts payloads for the Temporal UI, whose address is temporal_ui_url.
    codec_server_url: HttpUrl = "http://127.0.0.1:8234"
    codec_server_hosts: HostNames = ""  # more names that it answers to, as api_hosts
    codec_token: SecretStr | None = None

    kafka_bootstrap: Bootstrap = "127.0.0.1:9092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_user: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = None  # default: the authorities that the system trusts
    # Names this environment in every event. Events of another one are dead letters: docs/deploy.md
    installation: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,40}$")] = ""
    topic_partitions: Annotated[int, Field(ge=1, le=256)] = 4
    topic_replicas: Annotated[int, Field(ge=1, le=9)] = 1
    fetch_max_wait_ms: Annotated[int, Field(ge=1, le=10_000)] = 10  # the embedded broker waits this long at every fetch
    session_timeout_ms: Annotated[int, Field(ge=1_000, le=300_000)] = 6_000

    # A message whose handling faults is parked and retried. The delay doubles from the first to the longest.
    parked_attempts: Annotated[int, Field(ge=1, le=1000)] = 8
    parked_first_delay_seconds: Seconds = 0.2
    parked_longest_delay_seconds: Seconds = 30.0
    expiry_sweep_seconds: Seconds = 1.0
    pix_expiry_seconds: Annotated[float, Field(gt=0, le=1_800)] = 1_800.0

    # Where the page links to while traces are on, for example http://127.0.0.1:16686/trace/{trace_id}: docs/tracing.md
    trace_ui: TraceUi | None = None

    # Where a process serves its Prometheus metrics; disabled without a port: docs/operations.md
    metrics_host: str = "127.0.0.1"
    metrics_port: Port | None = None

    # The witness marks a choreographed order as stuck after this silence, and requests its cancellation.
    witness_enabled: bool = True
    witness_silence_seconds: Seconds = 300.0

    # The scheme `rediss` is TLS. The URL must not name a database: we use three of them, see below.
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379")
    redis_ca_file: Path | None = None

    orders_database_url: SecretStr | None = None
    payments_database_url: SecretStr | None = None
    inventory_database_url: SecretStr | None = None
    shipping_database_url: SecretStr | None = None
    gateway_database_url: SecretStr | None = None
    estate_database_url: SecretStr | None = None
    retention_days: Annotated[int, Field(ge=1, le=36_500)] = 90  # then finished events and messages are deleted

    # Keys that seal card tokens for the Payment service, and addresses for the Shipping service: docs/deploy.md
    payment_sealing_keys: SecretStr | None = None
    shipping_sealing_keys: SecretStr | None = None
    accept_unsealed: bool = False  # also handle orders that a version without seals has accepted

    # The Celery estate: tasks, mail, videos.
    flower_url: HttpUrl = "http://127.0.0.1:5555"
    flower_user: Annotated[str, Field(pattern=r"^[^\s:]+$")] = "twinsaga"
    flower_password: SecretStr | None = None  # without one, Flower asks for no login
    smtp_address: HostAndPort = "127.0.0.1:1025"
    mail_page_url: HttpUrl = "http://127.0.0.1:8025"  # the embedded mail server's
    mail_from: Annotated[str, Field(pattern=r"^[^\s@]+@[^\s@]+$")] = "twinsaga@localhost"
    celery_concurrency: Annotated[int, Field(ge=1, le=256)] = 2
    celery_lease_seconds: Annotated[float, Field(ge=2, le=3600)] = 20.0  # a dead worker's messages come back then
    video_concurrency: Annotated[int, Field(ge=1, le=256)] = 1  # videos that one video worker compresses at a time
    task_time_limit_seconds: Annotated[int, Field(ge=60, le=86_400)] = 1_800
    estate_sweep_seconds: Seconds = 2.0
    video_retry_base_seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0  # doubles with each of the three retries
    video_silent_seconds: Seconds = 60.0  # a worker without a heartbeat for this long counts as dead
    max_video_bytes: Annotated[int, Field(ge=1)] = 500_000_000
    storage_url: str | None = None  # of fsspec, for example s3://bucket/folder; default: in the data folder

    # Only the embedded stack reads these.
    temporal_binary: Path | None = None
    kafka_binary: Path | None = None
    redis_binary: Path | None = None
    order_service_metrics_port: Port = 8001
    payment_service_metrics_port: Port = 8002
    inventory_service_metrics_port: Port = 8003
    shipping_service_metrics_port: Port = 8004
    saga_worker_metrics_port: Port = 8005
    kafka_bridge_metrics_port: Port = 8006
    order_mails_metrics_port: Port = 8007
    celery_worker_metrics_port: Port = 8008
    video_worker_metrics_port: Port = 8009
    celery_beat_metrics_port: Port = 8010
    api_metrics_port: Port = 8011
    start_deadline_seconds: Seconds = 60.0
    stop_deadline_seconds: Seconds = 10.0
    max_log_bytes: Annotated[int, Field(ge=4096)] = 10_000_000
    serve_ready_file: Path | None = None  # set by the supervisor; `serve` writes it when ready
    embedded_run_dir: Path | None = None  # set by the supervisor, for the API's process controls

    @field_validator("temporal_payload_keys")
    @classmethod
    def _payload_keys_are_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None:
            KeyRing.parse(keys.get_secret_value())
        return keys

    @field_validator("codec_token")
    @classmethod
    def _codec_token_is_long(cls, token: SecretStr | None) -> SecretStr | None:
        if token is None:
            return None
        text = token.get_secret_value()
        if len(text) < SHORTEST_TOKEN or not text.isascii():
            raise ValueError(f"must have at least {SHORTEST_TOKEN} ASCII characters: `openssl rand -hex 32`")
        return token

    @model_validator(mode="after")
    def _redis_url_names_no_database(self) -> Self:
        if self.redis_url.get_secret_value().rstrip("/").count("/") != 2:  # noqa: PLR2004 - the two of the scheme
            message = "redis_url must not name a database: 0 is the Celery broker, 1 holds its results, 2 is ours"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _sasl_has_user_and_password(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL") and None in (self.kafka_user, self.kafka_password):
            raise ValueError("kafka_security_protocol is SASL: set kafka_user and kafka_password too")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretFiles(settings_cls, os.environ)

    @property
    def webhook_secrets(self) -> list[str]:
        secrets = (self.webhook_secret, self.webhook_previous_secret)
        return [secret.get_secret_value() for secret in secrets if secret is not None]

    @property
    def celery_broker_url(self) -> str:
        return self._redis_database(0)

    @property
    def celery_results_url(self) -> str:
        return self._redis_database(1)

    @property
    def own_redis_url(self) -> str:
        return self._redis_database(2)

    @property
    def payload_keys(self) -> KeyRing | None:
        if self.temporal_payload_keys is None:
            return None
        return KeyRing.parse(self.temporal_payload_keys.get_secret_value())

    def database_url(self, service: str) -> str:
        """`service` is one of DATABASES. SQLite files in the data folder where no URL is set."""
        configured: SecretStr | None = getattr(self, f"{service}_database_url")
        if configured is not None:
            return configured.get_secret_value()
        return f"sqlite:///{self.data_dir.absolute() / service}.db"

    @property
    def attempts_dir(self) -> Path:
        """Where processes without a database of their own note which messages they begin: see decision 0014."""
        return self.data_dir.absolute() / "attempts"

    @property
    def videos_dir(self) -> Path:
        """Uploads, until they are compressed. The API and the Celery worker must share this folder."""
        return self.data_dir.absolute() / "videos"

    @property
    def video_storage_url(self) -> str:
        return self.storage_url or f"file://{self.data_dir.absolute() / 'storage'}"

    def with_changes(self, **changes: object) -> Self:
        return self.model_copy(update=changes)

    def as_environment(self) -> dict[str, str]:
        """Return this process's environment plus these settings, so that a child process gets the same ones."""
        changed = {f"{PREFIX}{name}".upper(): _plain(getattr(self, name)) for name in self.model_fields_set}
        return os.environ | changed | {f"{PREFIX}DATA_DIR": str(self.data_dir.absolute())}

    def _redis_database(self, number: int) -> str:
        url = f"{self.redis_url.get_secret_value().rstrip('/')}/{number}"
        if not url.startswith("rediss:"):
            return url
        authorities = f"&ssl_ca_certs={self.redis_ca_file}" if self.redis_ca_file else ""
        return f"{url}?ssl_cert_reqs=required{authorities}"  # Celery requires it in the URL


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def load_settings() -> Settings:
    """Raises CannotRun, which names each variable that is invalid, or unsafe in production, and the reason."""
    try:
        settings = Settings()
    except ValidationError as invalid:
        wrong = [f"{PREFIX}{'_'.join(map(str, e['loc']))}".upper() + f": {e['msg']}" for e in invalid.errors()]
        raise CannotRun("These settings are invalid:\n  " + "\n  ".join(wrong)) from None
    if settings.environment == "production":
        unsafe = [f"{PREFIX}{name.upper()}: {why}" for name, why in _unsafe_secrets(settings)]
        if unsafe:
            raise CannotRun("These settings are not safe in production:\n  " + "\n  ".join(unsafe))
    return settings


Exporter = Literal["grpc", "http/protobuf", "console"]


def trace_exporters() -> list[Exporter]:
    """The exporters of traces that the standard variables of OpenTelemetry name. None unless one of them is set.

    OpenTelemetry itself would export to localhost without any of them. Raises CannotRun: one names something unknown.
    """
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    named = os.environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if endpoint else "none")
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return []
    return [_exporter_named(name.strip()) for name in named.split(",") if name.strip() != "none"]


def _exporter_named(name: str) -> Exporter:
    general = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or general
    match name, protocol:
        case "console", _:
            return "console"
        case "otlp", "grpc":
            return "grpc"
        case "otlp", "http/protobuf":
            return "http/protobuf"
        case "otlp", _:
            raise CannotRun(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; known are 'grpc' and 'http/protobuf'")
        case _:
            raise CannotRun(f"OTEL_TRACES_EXPORTER names {name!r}; known are 'otlp', 'console' and 'none'")


def _unsafe_secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the name of each unsafe setting with the reason, which never contains the secret."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == "redis_url" and name not in settings.model_fields_set:
            yield name, "is not set, and the default has no password"
        elif isinstance(value, SecretStr) and (
            why := _weakness(value.get_secret_value(), _user_beside(settings, name))
        ):
            yield name, why


def _user_beside(settings: Settings, name: str) -> str | None:
    """The user that a password setting belongs to: `kafka_user` of `kafka_password`."""
    return getattr(settings, name.replace("_password", "_user"), None) if name.endswith("_password") else None


def _weakness(secret: str, user: str | None) -> str | None:
    """`secret`: a password, or a URL that contains one. A URL without: the server requires none, or it is elsewhere."""
    passwords = {secret}
    if "://" in secret:
        parts = urlsplit(secret)
        # libpq takes both from the query, too.
        query = parse_qs(parts.query, keep_blank_values=True)
        user = next(iter(query.get("user", [])), unquote(parts.username) if parts.username else None)
        passwords = set(query.get("password", []))
        if parts.password is not None:
            passwords.add(unquote(parts.password))
    for password in (each.casefold() for each in passwords):
        if password in KNOWN_PASSWORDS or PLACEHOLDER in re.sub(r"[\W_]", "", password):
            return "has a well-known password"
        if user is not None and password == user.casefold():
            return "has the name of its user as the password"
    return None
