"""Apache Kafka with SASL over TLS, and a certificate of a private authority, as in production."""

import base64
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime import parent_death
from tests.support.ports import free_port, listens
from tests.support.waiting import eventually

LIBS = "TWINSAGA_TEST_KAFKA_LIBS"
"""Names the folder with the jars of Apache Kafka 4."""

USER = "twinsaga"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
START_DEADLINE_S = 90.0
STOP_DEADLINE_S = 15.0

_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
_LOGIN = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuredBroker:
    """Its certificate is valid only for 127.0.0.1. `password` is that of USER, who may do everything.

    `others`: more users of PLAIN with their passwords. They may do what access control lists allow them.
    """

    port: int
    password: str
    authority: Path
    others: Mapping[str, str]

    def settings_of(self, user: str) -> dict[str, str]:
        return self.settings("PLAIN") | {"kafka_user": user, "kafka_password": self.others[user]}

    def settings(self, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        return {
            "kafka_bootstrap": f"127.0.0.1:{self.port}",
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": mechanism,
            "kafka_user": USER,
            "kafka_password": self.password,
            "kafka_ca_file": str(self.authority),
        }


@contextmanager
def secured_broker(folder: Path, users: Sequence[str] = ()) -> Iterator[SecuredBroker]:
    _make_certificates(folder)
    broker = SecuredBroker(
        port=free_port(),
        password=secrets.token_hex(16),
        authority=folder / "authority.pem",
        others={user: secrets.token_hex(16) for user in users},
    )
    properties = folder / "kafka.properties"
    properties.write_text(_properties(folder, broker))
    _format(properties, broker.password)
    log = folder / "kafka.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the jars come from the environment of the tests
            [*parent_death.command_prefix(), *_java("kafka.Kafka", str(properties))],
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def answers() -> bool:
        assert process.poll() is None, f"the broker ended:\n{log.read_text()[-2000:]}"
        return listens(broker.port)

    try:
        eventually(answers, f"the broker listens; its output is in {log}", START_DEADLINE_S, every_s=0.1)
        yield broker
    finally:
        process.terminate()
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _java(program: str, *arguments: str) -> Sequence[str]:
    java = shutil.which("java")
    assert java is not None, "there is no java on PATH"
    return [java, *_JVM, "-cp", f"{os.environ[LIBS]}/*", program, *arguments]


def _run(*command: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        command, capture_output=True, text=True, timeout=START_DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _make_certificates(folder: Path) -> None:
    """Write `authority.pem`, and `broker.pem` with the broker's key and certificate."""
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    authority = ("-keyout", str(folder / "authority.key"), "-out", str(folder / "authority.pem"))
    _run("openssl", "req", "-x509", *new_key, "-subj", "/CN=an authority of the tests", *authority)
    signed_by = ("-CA", str(folder / "authority.pem"), "-CAkey", str(folder / "authority.key"))
    names = ("-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE")
    broker = ("-keyout", str(folder / "broker.key"), "-out", str(folder / "broker.crt"))
    _run("openssl", "req", "-x509", *new_key, *signed_by, *names, *broker)
    (folder / "broker.pem").write_text((folder / "broker.key").read_text() + (folder / "broker.crt").read_text())


def _properties(folder: Path, broker: SecuredBroker) -> str:
    controller = free_port()
    passwords = {"broker": broker.password, USER: broker.password, **broker.others}
    users = " ".join(f'user_{name}="{password}"' for name, password in passwords.items())
    plain = f'{_LOGIN}.plain.PlainLoginModule required username="broker" password="{broker.password}" {users};'
    scram = f"{_LOGIN}.scram.ScramLoginModule required;"
    logins = {"plain": plain, "scram-sha-256": scram, "scram-sha-512": scram}
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"SASL_SSL://127.0.0.1:{broker.port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"SASL_SSL://127.0.0.1:{broker.port}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        **{f"listener.name.sasl_ssl.{name}.sasl.jaas.config": login for name, login in logins.items()},
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:broker;User:{USER};User:ANONYMOUS",  # the last one is the controller's listener
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "authority.pem"),
        "log.dirs": str(folder / "kafka"),
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _format(properties: Path, password: str) -> None:
    """Format the storage, which contains the users of SCRAM; those of PLAIN are in the properties."""
    cluster = base64.urlsafe_b64encode(b"twinsaga secured").decode().rstrip("=")  # 16 bytes; must not begin with a dash
    users = [
        argument
        for mechanism in MECHANISMS
        if mechanism.startswith("SCRAM")
        for argument in ("--add-scram", f"{mechanism}=[name={USER},password={password}]")
    ]
    _run(*_java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties), *users))
