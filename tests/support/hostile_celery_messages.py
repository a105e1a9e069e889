"""Messages as Celery sends them, and what somebody could put into a queue instead."""

import json
from base64 import b64encode
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import uuid4

QUEUE = "twinsaga"
TASKS = (
    "twinsaga.send_email",
    "twinsaga.process_video",
    "twinsaga.place_order",
    "twinsaga.hand_over_tasks",
    "twinsaga.clean_up",
    "twinsaga.nobody_knows",
    "celery.backend_cleanup",
    "celery.accumulate",
    "celery.map",
    "celery.chain",
    "celery.group",
    "celery.chord",
)
HEADERS = (
    *("task", "id", "root_id", "parent_id", "group", "group_index", "shadow", "lang", "origin", "eta", "expires"),
    *("retries", "timelimit", "argsrepr", "kwargsrepr", "ignore_result", "replaced_task_nesting", "stamps"),
    *("stamped_headers", "compression", "is_eager", "chord", "callbacks", "delivery_info", "update", "unheard_of"),
)
PROPERTIES = (
    "delivery_tag",
    "delivery_info",
    "body_encoding",
    "priority",
    "reply_to",
    "correlation_id",
    "delivery_mode",
)
ENVELOPE = ("body", "content-type", "content-encoding", "headers", "properties")


def nested(depth: int) -> Any:  # noqa: ANN401 - JSON
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 3, 2**63, 10**400, 1e308, float("nan"), float("inf")),
    *("", "\0", "\ud800", "x" * 100_000, "../../etc/hostname", "/etc/hostname", "\u202e", "a\r\nb: c"),
    *("0001-01-01T00:00:00-14:00", "9999-12-31T23:59:59+14:00", "2026-13-99", "application/x-python-serialize"),
    *([], {}, [[]], {"": ""}, ["\0"], {"\ud800": "\0"}, [None, None, None], [5, "x"]),
    {"__type__": "uuid", "__value__": 5},
    {"__type__": "datetime", "__value__": "never"},
    {"__type__": "decimal", "__value__": []},
    {"task": "twinsaga.clean_up", "args": 5, "kwargs": [], "options": {"countdown": "x"}},
    [{"task": "twinsaga.clean_up", "options": {"task_id": {}}}],
    *(nested(70), nested(400), nested(900)),
)


def task_message(task: str, *, body: str | None = None, args: Any = (), **headers: Any) -> bytes:  # noqa: ANN401 - JSON
    return encoded(envelope(task, args, body=body, **headers))


def envelope(task: str, args: Any, *, body: str | None = None, **headers: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    task_id = str(uuid4())
    content = json.dumps([args, {}, {"callbacks": None}]) if body is None else body
    return {
        "body": b64encode(content.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id, **headers},
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }


def encoded(message: Any) -> bytes:  # noqa: ANN401 - JSON
    return json.dumps(message).encode()


def hostile_messages(seed: int, count: int) -> Iterator[bytes]:
    random = Random(seed)  # noqa: S311 - to be repeatable
    for _ in range(count):
        yield random.choice(_KINDS)(random)


def _value(random: Random) -> Any:  # noqa: ANN401 - JSON
    return random.choice(VALUES)


def _garbage(random: Random) -> bytes:
    raw = (b"", b"[]", b"{}", b"5", b"null", b'"x"', b"\xff\xfe", "{}".encode("utf-16"), b"[" * 3000, b"[" * 100_000)
    return random.choice((*raw, random.randbytes(random.randrange(1, 200))))


def _hostile_envelope(random: Random) -> bytes:
    message = envelope(random.choice(TASKS), [])
    name = random.choice(ENVELOPE)
    if random.random() < 0.3:
        del message[name]
    else:
        message[name] = _value(random)
    return encoded(message)


def _hostile_header(random: Random) -> bytes:
    message = envelope(random.choice(TASKS), [])
    for name in random.sample(HEADERS, random.randrange(1, 4)):
        message["headers"][name] = _value(random)
    if random.random() < 0.2:
        del message["headers"][random.choice(("task", "id"))]
    return encoded(message)


def _hostile_property(random: Random) -> bytes:
    message = envelope(random.choice(TASKS), [])
    message["properties"][random.choice(PROPERTIES)] = _value(random)
    if random.random() < 0.3:
        message["properties"].pop(random.choice(PROPERTIES))
    return encoded(message)


def _hostile_body(random: Random) -> bytes:
    values = [_value(random) for _ in range(random.randrange(5))]
    body = random.choice((json.dumps(values), json.dumps(_value(random)), "[" * 3000, "x", "[[], {}, {}"))
    message = envelope(random.choice(TASKS), [], body=body)
    if random.random() < 0.1:
        message["body"] = random.choice(("%%%", "AAA", "\ud800", b64encode(b"\xff").decode()))
    return encoded(message)


def _hostile_arguments(random: Random) -> bytes:
    args = [_value(random) for _ in range(random.randrange(4))]
    kwargs = {random.choice(("order", "video_id", "to", "self", "\0")): _value(random)} if random.random() < 0.3 else {}
    embedded = {random.choice(("callbacks", "errbacks", "chain", "chord", "x")): _value(random)}
    body = json.dumps([args, kwargs, embedded if random.random() < 0.4 else {}])
    return encoded(envelope(random.choice(TASKS), [], body=body))


_KINDS = (_garbage, _hostile_envelope, _hostile_header, _hostile_property, _hostile_body, _hostile_arguments)
