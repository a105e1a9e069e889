"""Payloads are encrypted by the first key, and decrypted by every key that the process has."""

from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from adapters.key_ring import KeyRing, new_key
from runtime.errors import CannotRun
from runtime.payload_codec import KEY_ID, EncryptingCodec, UnreadablePayload
from runtime.settings import Settings, load_settings
from runtime.temporal import data_converter
from tests.support.payload_encryption import encrypting

OLD, NEW = new_key("old"), new_key("new")
CLEAR = Payload(metadata={"encoding": b"json/plain"}, data=b'"Ana Souza"')


def codec(*keys: str) -> EncryptingCodec:
    return EncryptingCodec(KeyRing.parse(",".join(keys)) if keys else None)


def test_an_encrypted_payload_names_its_key_and_shows_nothing_else() -> None:
    [sealed] = codec(NEW, OLD).encrypted([CLEAR])

    assert sealed.metadata == {"encoding": b"binary/encrypted", "encryption-key-id": b"new"}
    assert b"Ana" not in sealed.SerializeToString()
    assert codec(NEW).decrypted([sealed]) == [CLEAR]


def test_the_same_payload_is_never_encrypted_to_the_same_bytes() -> None:
    first, second = codec(NEW).encrypted([CLEAR, CLEAR])

    assert first.data != second.data


def test_after_a_rotation_payloads_of_the_old_key_are_read_and_new_ones_have_the_new_key() -> None:
    sealed_before = codec(OLD).encrypted([CLEAR])
    rotated = codec(NEW, OLD)

    assert rotated.decrypted(sealed_before) == [CLEAR]
    assert [each.metadata[KEY_ID] for each in rotated.encrypted([CLEAR])] == [b"new"]


@pytest.mark.parametrize("keys", [(), (NEW,)], ids=["without keys", "with keys"])
def test_a_payload_from_before_the_keys_were_set_stays_readable(keys: tuple[str, ...]) -> None:
    assert codec(*keys).decrypted([CLEAR]) == [CLEAR]


def test_without_keys_nothing_is_encrypted() -> None:
    assert codec().encrypted([CLEAR]) == [CLEAR]


def test_a_process_without_keys_says_which_setting_it_lacks() -> None:
    sealed = codec(NEW).encrypted([CLEAR])

    with pytest.raises(UnreadablePayload, match=r"by the key 'new'.* TWINSAGA_TEMPORAL_PAYLOAD_KEYS"):
        codec().decrypted(sealed)


def test_a_process_with_other_keys_names_the_missing_one_and_those_that_it_has() -> None:
    sealed = codec(NEW).encrypted([CLEAR])

    with pytest.raises(UnreadablePayload, match="by the key 'new', and this process has only old:"):
        codec(OLD).decrypted(sealed)


def test_another_key_under_the_same_id_is_noticed() -> None:
    sealed = codec(NEW).encrypted([CLEAR])

    with pytest.raises(UnreadablePayload, match="by the key 'new': it was changed, or another key has this id"):
        codec(new_key("new")).decrypted(sealed)


@pytest.mark.parametrize("cut", [0, 5, 12, 20, -1])
def test_a_payload_that_was_changed_is_refused(cut: int) -> None:
    [sealed] = codec(NEW).encrypted([CLEAR])
    sealed.data = sealed.data[:cut]

    with pytest.raises(UnreadablePayload):
        codec(NEW).decrypted([sealed])


async def test_messages_and_stack_traces_of_failures_are_encrypted() -> None:
    def fail() -> None:
        raise ApplicationError("Ana Souza", "a detail of Ana Souza")

    converter, failure = data_converter(encrypting()), Failure()
    try:
        fail()
    except ApplicationError as error:
        error.__cause__ = ValueError("caused by Ana Souza")
        await converter.encode_failure(error, failure)

    assert b"Ana" not in failure.SerializeToString()
    assert __file__.encode() not in failure.SerializeToString()

    # A process without keys writes failures in the clear, and reads those that are encrypted by its keys' error.
    with pytest.raises(UnreadablePayload):
        await data_converter(Settings()).decode_failure(_copy(failure))
    decoded = await converter.decode_failure(failure)
    assert isinstance(decoded, ApplicationError)
    assert (decoded.message, decoded.details) == ("Ana Souza", ("a detail of Ana Souza",))
    assert "caused by Ana Souza" in str(decoded.__cause__)


async def test_a_failure_from_before_the_keys_were_set_stays_readable() -> None:
    failure = Failure()
    await DataConverter.default.encode_failure(ApplicationError("out of paper", "a detail"), failure)

    decoded = await data_converter(encrypting()).decode_failure(failure)

    assert isinstance(decoded, ApplicationError)
    assert (decoded.message, decoded.details) == ("out of paper", ("a detail",))


def test_keys_are_read_from_a_file_with_one_on_each_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{NEW}\n{OLD}\n")
    monkeypatch.setenv("TWINSAGA_TEMPORAL_PAYLOAD_KEYS_FILE", str(tmp_path / "keys"))

    keys = load_settings().payload_keys

    assert keys is not None
    assert list(keys.by_id) == ["new", "old"]
    assert keys.current_id == "new"


HEX = "0f" * 32


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "contains no key"),
        (" \n,", "contains no key"),
        (HEX, "key 1 is not ID:HEX"),
        (f"a:{HEX} :{HEX}", "key 2 is not ID:HEX"),
        (f"{'a' * 41}:{HEX}", "key 1 is not ID:HEX"),
        (f"é:{HEX}", "key 1 is not ID:HEX"),
        (f"a:{HEX}00", "key 'a' is not 32 bytes"),
        (f"a:{HEX[2:]}", "key 'a' is not 32 bytes"),
        (f"a:{'xy' * 32}", "key 'a' is not 32 bytes"),
        (f"a:{HEX},a:{HEX}", "the id 'a' occurs twice"),
    ],
)
def test_keys_that_are_not_valid_are_refused_without_showing_them(
    text: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINSAGA_TEMPORAL_PAYLOAD_KEYS", text)

    with pytest.raises(CannotRun) as refused:
        load_settings()

    assert "TWINSAGA_TEMPORAL_PAYLOAD_KEYS" in str(refused.value)
    assert why in str(refused.value)
    assert HEX[2:] not in str(refused.value)


def test_neither_keys_nor_the_token_are_printed() -> None:
    settings = encrypting(NEW)

    assert NEW.partition(":")[2] not in repr(settings) + repr(settings.payload_keys)


def _copy(failure: Failure) -> Failure:
    copy = Failure()
    copy.CopyFrom(failure)
    return copy
