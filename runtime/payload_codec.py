"""Encrypts the payloads that Temporal stores: arguments, results, signals, heartbeats, summaries, texts of failures.

The layout is that of Temporal's samples: `encoding` is binary/encrypted, `encryption-key-id` names the key, and the
data is a nonce of 12 bytes followed by the whole payload, encrypted by AES-256-GCM.
"""

import os
from collections.abc import Iterable, Sequence

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadCodec, PayloadConverter

from adapters.key_ring import KeyRing

ENCRYPTED = b"binary/encrypted"
KEY_ID = "encryption-key-id"
NONCE_BYTES = 12
"""Random nonces of this size allow 2^32 payloads for each key (NIST SP 800-38D, 8.3)."""

LONGEST_TEXT = 300
"""Characters of a message or a stack trace. Temporal keeps 4 KiB of a pending activity's failure, with its causes. It
can shorten clear texts, but drops encrypted ones."""


class UnreadablePayload(Exception):
    """A payload was encrypted by a key that this process does not have, or was changed afterwards."""


class EncryptedFailureConverter(DefaultFailureConverter):
    """Puts messages and stack traces where the codec encrypts them.

    Except those of UnreadablePayload: they name the missing key, and whoever reads the history may lack the others too.
    """

    def __init__(self) -> None:
        super().__init__(encode_common_attributes=True)
        self._clear = DefaultFailureConverter()

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        if isinstance(exception, UnreadablePayload):
            self._clear.to_failure(exception, payload_converter, failure)
        else:
            super().to_failure(exception, payload_converter, failure)  # which calls this method for each cause
            texts = payload_converter.from_payload(failure.encoded_attributes)
            shortened = {
                "message": texts["message"][:LONGEST_TEXT],
                "stack_trace": texts["stack_trace"][-LONGEST_TEXT:],  # its end is where the error was raised
            }
            failure.encoded_attributes.CopyFrom(payload_converter.to_payload(shortened))


class EncryptingCodec(PayloadCodec):
    """Without keys it leaves payloads as they are, but still recognises encrypted ones.

    Without a codec Temporal's SDK would hand encrypted signals to the payload converter, and drop them with a log line.
    An error here fails the whole workflow task, which the server repeats until a worker with the key takes it.
    """

    def __init__(self, keys: KeyRing | None) -> None:
        self._keys = keys
        if keys is not None:
            # Imported here, because the command line and processes without keys would wait 50 ms for nothing.
            from cryptography.exceptions import InvalidTag  # noqa: PLC0415
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

            self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.by_id.items()}
            self._invalid_tag = InvalidTag

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return self.encrypted(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises UnreadablePayload. A payload that is not encrypted was written before the keys were set: it stays."""
        return self.decrypted(payloads)

    def encrypted(self, payloads: Iterable[Payload]) -> list[Payload]:
        return [self._encrypt(payload) for payload in payloads] if self._keys is not None else list(payloads)

    def decrypted(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Raises UnreadablePayload."""
        return [
            self._decrypt(payload) if payload.metadata.get("encoding") == ENCRYPTED else payload for payload in payloads
        ]

    def _encrypt(self, payload: Payload) -> Payload:
        assert self._keys is not None  # noqa: S101 - for mypy
        key_id = self._keys.current_id
        nonce = os.urandom(NONCE_BYTES)
        data = nonce + self._ciphers[key_id].encrypt(nonce, payload.SerializeToString(), None)
        return Payload(metadata={"encoding": ENCRYPTED, KEY_ID: key_id.encode()}, data=data)

    def _decrypt(self, payload: Payload) -> Payload:
        key_id = payload.metadata.get(KEY_ID, b"").decode(errors="replace")
        if self._keys is None:
            raise UnreadablePayload(
                f"a payload is encrypted by the key {key_id!r:.60}, and this process has no keys: set"
                " TWINSAGA_TEMPORAL_PAYLOAD_KEYS, or ..._FILE"
            )
        if key_id not in self._ciphers:
            raise UnreadablePayload(
                f"a payload is encrypted by the key {key_id!r:.60}, and this process has only"
                f" {', '.join(self._ciphers)}: add the key to TWINSAGA_TEMPORAL_PAYLOAD_KEYS"
            )
        nonce, data = payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:]
        try:
            return Payload.FromString(self._ciphers[key_id].decrypt(nonce, data, None))
        except (self._invalid_tag, ValueError) as error:  # ValueError: too short for a nonce
            raise UnreadablePayload(
                f"a payload cannot be decrypted by the key {key_id!r:.60}: it was changed, or another key has this id"
            ) from error
