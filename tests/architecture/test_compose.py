"""The compose file matches the processes and settings of the program."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from processes.registry import PROCESSES
from runtime.settings import PREFIX, Settings, load_settings
from services.names import DATABASES

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CONTAINERS: dict[str, Any] = COMPOSE["services"]
OURS = {name: container for name, container in CONTAINERS.items() if "build" in container}
ONE_SHOT = {"migrate", "bootstrap"}
EMBEDDED_ONLY = {"mail"}
"""Mailpit takes its place."""

WITHOUT_A_SHELL = {"temporal-ui", "otel-collector"}
"""Their images have no program that could ask for their health."""

MOUNTED = "/run/secrets/"
every_container = pytest.mark.parametrize("name", sorted(CONTAINERS))
ours = pytest.mark.parametrize("name", sorted(OURS))
long_running = pytest.mark.parametrize("name", sorted(set(CONTAINERS) - ONE_SHOT - {"temporal-schema"}))


def test_every_process_has_a_container_that_serves_it() -> None:
    served = {name: container["command"] for name, container in OURS.items() if name not in ONE_SHOT}

    assert served == {name: ["serve", name] for name in set(PROCESSES) - EMBEDDED_ONLY}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets that the script makes."""
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    for _ in range(2):  # it is repeatable
        subprocess.run([ROOT / "deploy" / "make-secrets", folder], check=True, timeout=30)  # noqa: S603 - our own script
    return folder


@ours
def test_every_setting_that_is_passed_exists_and_is_safe_in_production(
    name: str, monkeypatch: pytest.MonkeyPatch, secrets: Path
) -> None:
    example = example_values() | {"TWINSAGA_ENVIRONMENT": "production"}
    for variable, value in OURS[name]["environment"].items():
        if variable.startswith("OTEL_"):
            continue  # read by OpenTelemetry
        setting = variable.removeprefix(PREFIX).lower()
        assert setting.removesuffix("_file") in Settings.model_fields, variable
        monkeypatch.setenv(variable, filled(value, example).replace(MOUNTED, f"{secrets}/"))
    if "redis-url" not in OURS[name].get("secrets", []):
        monkeypatch.setenv(f"{PREFIX}REDIS_URL", "redis://:k3y@not-used:6379")

    settings = load_settings()

    assert settings.environment == "production"
    assert {service for service in DATABASES if settings.database_url(service).startswith("postgresql")} == {
        service for service in DATABASES if f"{PREFIX}{service.upper()}_DATABASE_URL_FILE" in OURS[name]["environment"]
    }


@every_container
def test_secrets_are_files_and_each_container_has_only_its_own(name: str, secrets: Path) -> None:
    text = yaml.safe_dump({key: CONTAINERS[name].get(key) for key in ("environment", "command", "entrypoint")})
    files = {part.partition("/")[2] for part in re.findall(r"/run/secrets(/[a-z-]+)", text)}
    mounted = set(CONTAINERS[name].get("secrets", []))

    assert files <= mounted
    assert mounted <= {path.name for path in secrets.iterdir()} == COMPOSE["secrets"].keys()
    if name in OURS:
        assert files == mounted
    assert "PASSWORD:" not in text


@ours
def test_every_client_of_temporal_encrypts_payloads(name: str) -> None:
    environment = OURS[name]["environment"]
    starts_workflows = "TWINSAGA_TEMPORAL_ADDRESS" in environment and name != "bootstrap"

    assert ("TWINSAGA_TEMPORAL_PAYLOAD_KEYS_FILE" in environment) == starts_workflows


def test_the_secrets_are_random_and_their_folder_is_private(secrets: Path) -> None:
    passwords = [file.read_text() for file in secrets.glob("*-password")]

    assert secrets.stat().st_mode & 0o777 == 0o700
    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) > 40


@every_container
def test_every_container_is_read_only_and_has_no_capabilities(name: str) -> None:
    container = CONTAINERS[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]


@long_running
def test_the_health_check_of_a_long_running_container_names_its_own_process(name: str) -> None:
    if name in OURS:
        assert CONTAINERS[name]["healthcheck"]["test"] == ["CMD", "twinsaga", "health", name]
    elif name not in WITHOUT_A_SHELL:
        assert CONTAINERS[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_every_container_has_limits_a_profile_and_a_pinned_version(name: str) -> None:
    container = CONTAINERS[name]

    assert {"cpus", "memory"} <= set(container["deploy"]["resources"]["limits"])
    assert container["profiles"] in (["core"], ["observe"])
    assert re.search(r":[^:]*\d+\.\d+", container["image"]), "the image has no version"
    assert "container_name" not in container, "a fixed name prevents scaling"


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_two_cores_are_enough_to_start_it(name: str) -> None:
    """Docker refuses a limit above the number of processors of the machine."""
    assert float(CONTAINERS[name]["deploy"]["resources"]["limits"]["cpus"]) <= 2.0


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_every_mounted_file_exists(name: str) -> None:
    """Docker would create a folder in its place."""
    for volume in CONTAINERS[name].get("volumes", []):
        if volume.startswith("./"):
            assert (ROOT / volume.split(":")[0]).is_file(), volume


def test_the_user_of_the_image_has_a_name_and_a_group_with_a_name() -> None:
    """Celery treats a group without a name as the superuser's."""
    text = (ROOT / "Dockerfile").read_text()
    user, group = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)[0]

    assert f"useradd --system --uid {user} " in text
    assert f"groupadd --system --gid {group} " in text


@pytest.mark.parametrize("name", sorted(name for name in OURS if name.endswith("-service")))
def test_more_than_one_of_a_service_can_run(name: str) -> None:
    assert "ports" not in OURS[name]


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_a_container_waits_only_for_containers_of_the_core_profile(name: str) -> None:
    for other, how in CONTAINERS[name].get("depends_on", {}).items():
        assert CONTAINERS[other]["profiles"] == ["core"]
        assert how["condition"] in {"service_healthy", "service_completed_successfully"}
        assert (how["condition"] == "service_completed_successfully") == (CONTAINERS[other]["restart"] == "no")


def test_the_example_names_every_variable_that_must_be_set() -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    assert set(re.findall(r"\$\{(\w+):\?\}", text)) <= set(example_values())


def example_values() -> dict[str, str]:
    lines = (ROOT / "deploy" / "example.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def filled(value: str, example: dict[str, str]) -> str:
    """Substitute variables as compose does: `${NAME:?}` and `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+):[?-]([^}]*)\}", lambda found: example.get(found[1], found[2]), value)
