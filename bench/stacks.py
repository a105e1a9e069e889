"""The stacks of the bench: each with data of its own, on free ports."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from embedded.child_stack import child_stack
from processes.registry import PROCESSES
from runtime.errors import CannotRun
from runtime.settings import PREFIX, Settings, load_settings
from services.names import DATABASES, SERVICES

ENGINES = ("temporal", "kafka", "redis")
EVERYTHING = (*ENGINES, *PROCESSES)
PLAYERS = (
    *(*ENGINES, "api", "saga-worker"),
    *SERVICES,
)
"""What the two styles need, and nothing that would take the processor from one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """`settings` name its engines; `folder` has its data. `given_engines`: they were there before."""

    settings: Settings
    folder: Path
    api: str
    given_engines: bool


@contextmanager
def stack(folder: Path, names: Sequence[str] = EVERYTHING, *, given_engines: bool = False) -> Iterator[RunningStack]:
    """With `given_engines` those are used that the settings name, and none is started.

    Raises:
        CannotRun: it did not come up, or the settings name databases elsewhere.
    """
    folder.mkdir()
    settings = _settings_in(folder, witnesses="kafka-bridge" in names)
    started = [name for name in names if not (given_engines and name in ENGINES)]
    with child_stack(settings, folder, *started) as ready:
        addressed = settings.with_changes(
            temporal_address=ready["temporal"], kafka_bootstrap=ready["kafka"], redis_url=SecretStr(ready["redis"])
        )
        yield RunningStack(settings=addressed, folder=folder, api=ready["api"], given_engines=given_engines)


def _settings_in(folder: Path, *, witnesses: bool) -> Settings:
    settings = load_settings().with_changes(data_dir=folder, witness_enabled=witnesses)
    elsewhere = [name for name in DATABASES if not settings.database_url(name).startswith(f"sqlite:///{folder}")]
    if elsewhere:
        raise CannotRun(f"the bench has databases of its own: unset {PREFIX}{elsewhere[0].upper()}_DATABASE_URL")
    return settings
