"""The compose file and the program know the same processes and settings."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from processes.registry import PROCESSES
from runtime.settings import PREFIX, Settings
from services.names import DATABASES

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CONTAINERS: dict[str, Any] = COMPOSE["services"]
OURS = {name: container for name, container in CONTAINERS.items() if "build" in container}
ONCE = {"migrate", "bootstrap"}
MAILPIT_INSTEAD = {"mail"}
"""The mail server of the embedded stack."""

ours = pytest.mark.parametrize("name", sorted(OURS))
lasting = pytest.mark.parametrize("name", sorted(set(CONTAINERS) - ONCE - {"temporal-schema"}))


def test_every_process_has_a_container_that_serves_it() -> None:
    served = {name: container["command"] for name, container in OURS.items() if name not in ONCE}

    assert served == {name: ["serve", name] for name in set(PROCESSES) - MAILPIT_INSTEAD}


@ours
def test_every_setting_that_is_passed_exists_and_its_value_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    example = example_values()
    for variable, value in OURS[name]["environment"].items():
        assert variable.removeprefix(PREFIX).lower() in Settings.model_fields, variable
        monkeypatch.setenv(variable, filled(value, example))

    settings = Settings()

    assert settings.environment == "development"
    assert {service for service in DATABASES if settings.database_url(service).startswith("postgresql")} == {
        service for service in DATABASES if f"{PREFIX}{service.upper()}_DATABASE_URL" in OURS[name]["environment"]
    }


@ours
def test_our_containers_may_write_nowhere_and_have_no_rights(name: str) -> None:
    container = OURS[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]


@lasting
def test_a_container_that_lasts_is_asked_for_its_health_by_its_own_name(name: str) -> None:
    if name in OURS:
        assert CONTAINERS[name]["healthcheck"]["test"] == ["CMD", "twinsaga", "health", name]
    elif name != "temporal-ui":
        assert CONTAINERS[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_every_container_has_a_limit_a_profile_and_a_version_of_its_own(name: str) -> None:
    container = CONTAINERS[name]

    assert {"cpus", "memory"} <= set(container["deploy"]["resources"]["limits"])
    assert container["profiles"] in (["core"], ["observe"])
    assert re.search(r":[^:]*\d+\.\d+", container["image"]), "the image has no version"
    assert "container_name" not in container, "two of them could not run"


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_two_cores_are_enough_to_start_it(name: str) -> None:
    """Docker refuses a container with a limit of more processors than the machine has."""
    assert float(CONTAINERS[name]["deploy"]["resources"]["limits"]["cpus"]) <= 2.0


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_every_file_that_is_mounted_is_there(name: str) -> None:
    """Docker would make a folder in its place."""
    for volume in CONTAINERS[name].get("volumes", []):
        if volume.startswith("./"):
            assert (ROOT / volume.split(":")[0]).is_file(), volume


def test_the_user_of_the_image_has_a_name_and_a_group_with_a_name() -> None:
    """Celery takes a group without a name for the superuser's."""
    text = (ROOT / "Dockerfile").read_text()
    user, group = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)[0]

    assert f"useradd --system --uid {user} " in text
    assert f"groupadd --system --gid {group} " in text


@pytest.mark.parametrize("name", sorted(name for name in OURS if name.endswith("-service")))
def test_more_than_one_of_a_service_can_run(name: str) -> None:
    assert "ports" not in OURS[name]


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_what_a_container_waits_for_is_there_with_it(name: str) -> None:
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
    """As compose fills in variables: `${NAME:?}` and `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+):[?-]([^}]*)\}", lambda found: example.get(found[1], found[2]), value)
