"""The engines of the embedded stack get the settings, and not what configures only our own processes."""

from pathlib import Path

import pytest

from embedded.engines import ENGINES
from runtime.settings import Settings


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_gets_no_variable_of_opentelemetry(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")  # with it, Temporal does not start
    monkeypatch.setenv("LANG", "C.UTF-8")

    environment = ENGINES[name](Settings(data_dir=tmp_path)).environment

    assert environment["LANG"] == "C.UTF-8"
    assert [variable for variable in environment if variable.startswith("OTEL_")] == []
