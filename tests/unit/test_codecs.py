"""Every codec of Kafka is installed: a producer or a broker may compress with any of them."""

import pytest
from kafka import codec

from messaging.kafka.connection import missing_codecs
from runtime.errors import CannotRun
from runtime.kafka import kafka_connection
from runtime.settings import Settings


def test_all_codecs_are_installed() -> None:
    assert missing_codecs() == []


@pytest.mark.parametrize("name", ["snappy", "lz4", "zstd"])
def test_a_process_without_a_codec_does_not_start_and_says_why(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(codec, name, None)  # as kafka-python does where the import fails

    with pytest.raises(CannotRun, match=f"compressed with {name} could not be read: install python-snappy, lz4"):
        kafka_connection(Settings())
