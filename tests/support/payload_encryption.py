"""Payload keys for tests, and histories as a server stores them when payloads are encrypted."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory

from runtime.payload_codec import EncryptingCodec
from runtime.settings import Settings

KEYS = f"2026-12:{'5a' * 32}"
NOT_ENCODED = {"header", "search_attributes"}
OF_CORE = {"data", "patch-data"}
"""What the SDK itself notes in the markers of local activities and of patches. It contains no argument or result."""


def encrypting(keys: str = KEYS) -> Settings:
    return Settings(temporal_payload_keys=SecretStr(keys))


def encrypted(history: WorkflowHistory, keys: str = KEYS) -> WorkflowHistory:
    codec = EncryptingCodec(encrypting(keys).payload_keys)
    copy = WorkflowHistory.from_json(history.workflow_id, history.to_json())
    for event in copy.events:
        for payload in payloads_in(event):
            [coded] = codec.encrypted([payload])
            payload.CopyFrom(coded)
    return copy


def payloads_in(message: Message) -> Iterable[Payload]:
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None or field.name in NOT_ENCODED:
            continue
        for part in _messages_of(value, is_map=field.message_type.GetOptions().map_entry):
            yield from payloads_in(part)


def _messages_of(value: Any, *, is_map: bool) -> list[Message]:  # noqa: ANN401 - any field
    if is_map:
        return [part for name, part in value.items() if isinstance(part, Message) and name not in OF_CORE]
    return [value] if isinstance(value, Message) else list(value)
