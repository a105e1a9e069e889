"""`twinsaga up` from outside: engines die, ports are taken, the supervisor itself is killed."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from tests.support.folder_of_a_user import imported_from
from tests.support.stack import TWINSAGA, Stack, parent_of, running_stack, runs
from tests.support.waiting import eventually

ENGINES = "temporal,kafka,redis"
SERVICES = {"kafka", "redis", "order-service", "celery-worker"}
DEADLINE_S = 60.0


def topics_of(stack: Stack) -> set[str]:
    admin = KafkaAdminClient(bootstrap_servers=stack.ready["kafka"])
    try:
        return set(admin.list_topics())
    finally:
        admin.close()


def up(*options: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a stack that is expected to end without a signal."""
    environment = os.environ | {f"TWINSAGA_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run(  # noqa: S603 - our own program
        [str(TWINSAGA), "up", *options],
        capture_output=True,
        text=True,
        env=environment,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("engines"), "--only", ENGINES) as stack:
        yield stack


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("services"), "--only", ",".join(SERVICES)) as stack:
        yield stack


@pytest.mark.parametrize("name", ENGINES.split(","))
def test_a_killed_engine_is_started_again_where_it_was(engines: Stack, name: str) -> None:
    before = engines.ready

    engines.kill(name)

    after = engines.ready
    assert runs(after["processes"][name])
    assert not runs(before["processes"][name])
    assert after | {"processes": None} == before | {"processes": None}
    assert {other for other in before["processes"] if before["processes"][other] != after["processes"][other]} == {name}


def test_engines_alone_have_addresses_and_nothing_of_ours(engines: Stack) -> None:
    engines.kill("kafka")

    assert set(engines.ready) == {"temporal", "temporal_ui", "kafka", "redis", "data", "processes"}
    assert topics_of(engines) == set()
    assert list(engines.data.glob("orders*")) == []


def test_the_broker_has_its_topics_again_when_it_answers(services: Stack) -> None:
    services.kill("kafka")

    assert {"orders", "orders.dlq", "saga-outcomes"} <= topics_of(services)


def test_packages_of_the_current_folder_are_not_imported(services: Stack) -> None:
    # `running_stack` starts every stack in such a folder. Here a service and a Celery worker have started.
    eventually(lambda: set(services.ready["processes"]) == SERVICES, "all of them run")
    assert "order-service died" not in services.printed
    assert imported_from(services.user_folder) == []


def test_processes_come_back_when_the_one_that_forks_them_is_killed(services: Stack) -> None:
    before = services.ready["processes"]
    ours = [name for name in before if name not in ENGINES.split(",")]
    (parent,) = {parent_of(before[name]) for name in ours}

    os.kill(parent, signal.SIGKILL)

    def are_back() -> bool:
        after = services.ready["processes"]
        return all(after.get(name) not in {None, before[name]} for name in ours) and after.keys() == before.keys()

    eventually(are_back, "other forks run", DEADLINE_S)
    after = services.ready["processes"]
    assert not any(runs(before[name]) for name in ours)
    assert len({parent_of(after[name]) for name in ours} - {parent}) == 1
    assert {name for name in after if after[name] == before[name]} == before.keys() - set(ours)


def test_two_stacks_do_not_meet(engines: Stack, tmp_path: Path) -> None:
    with running_stack(tmp_path, "--only", "redis") as other:
        assert other.ready["redis"] != engines.ready["redis"]
        assert other.stop() == 0
    assert all(runs(pid) for pid in engines.ready["processes"].values())


def test_a_data_folder_has_one_stack(engines: Stack) -> None:
    second = up("--free-ports", "--data", str(engines.data), "--only", "redis")

    assert second.returncode == 1
    assert "another stack" in second.stderr
    assert str(engines.data) in second.stderr.replace("\n", "")
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stopped_stack_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    with running_stack(tmp_path, "--only", "kafka,redis") as stack:
        pids = stack.ready["processes"].values()

        stack._process.send_signal(how)

        assert stack._process.wait(DEADLINE_S) == 0
    assert not [pid for pid in pids if runs(pid)]
    assert not stack._ready_file.exists()


def test_a_killed_supervisor_leaves_nothing(tmp_path: Path) -> None:
    with running_stack(tmp_path, "--only", ENGINES) as stack:
        pids = list(stack.ready["processes"].values())

        stack._process.kill()
        stack._process.wait(DEADLINE_S)

        eventually(lambda: not [pid for pid in pids if runs(pid)], "every process has ended")

    with running_stack(tmp_path, "--only", ENGINES) as again:
        assert set(again.ready["processes"]) == set(ENGINES.split(","))


def test_an_engine_that_keeps_dying_ends_the_stack(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho [no] room left\nexit 3\n")
    broken.chmod(0o755)

    ended = up(
        "--free-ports", "--data", str(tmp_path / "data"), "--only", "kafka,redis", "--ready-file",
        str(tmp_path / "ready.json"), kafka_binary=str(broken),
    )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stdout.count("kafka died (exit code 3)") == 4
    assert "kafka died 5 times in a minute" in ended.stderr
    assert "[no] room left" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "ready.json").exists()


def test_a_port_in_use_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = up("--data", str(tmp_path), "--only", "redis", redis_url=f"redis://127.0.0.1:{port}")

    assert ended.returncode == 1
    assert f"port 127.0.0.1:{port} is in use: set TWINSAGA_REDIS_URL" in ended.stderr.replace("\n", " ")


def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    ended = up("--data", str(tmp_path), "--only", "redis", api_port="many")

    assert ended.returncode == 1
    assert "TWINSAGA_API_PORT: Input should be a valid integer" in ended.stderr


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    ended = up("--data", str(tmp_path), "--only", "redis,rabbit")

    assert ended.returncode == 2
    assert "rabbit" in ended.stderr
    assert "temporal" in ended.stderr
