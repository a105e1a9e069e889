"""An embedded stack keeps its payload keys in its data folder, and away from its engines."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from embedded.addresses import ready_content
from embedded.engines import ENGINES
from embedded.payload_encryption import with_encryption
from runtime.errors import CannotRun
from runtime.settings import Settings
from tests.support.payload_encryption import KEYS, encrypting


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_payloads_are_readable_unless_it_is_asked_to_encrypt_them(settings: Settings) -> None:
    assert with_encryption(settings, asked=False) == settings
    assert "--ui-codec-endpoint" not in ENGINES["temporal"](settings).command
    assert "codec_server" not in ready_content(settings, ["temporal", "api"], {})


def test_a_folder_that_was_encrypted_once_stays_so(settings: Settings) -> None:
    first = with_encryption(settings, asked=True)

    assert first.payload_keys is not None
    assert with_encryption(settings, asked=False) == first
    for name in ("payload-keys", "codec-token"):
        assert (settings.data_dir / name).stat().st_mode & 0o777 == 0o600


def test_keys_and_token_of_the_settings_take_precedence(settings: Settings) -> None:
    with_encryption(settings, asked=True)
    given = encrypting().with_changes(data_dir=settings.data_dir, codec_token=SecretStr("a token of our own, long"))

    assert with_encryption(given, asked=True) == given


def test_damaged_keys_stop_the_start_and_are_not_replaced(settings: Settings) -> None:
    (settings.data_dir / "payload-keys").write_text("")

    with pytest.raises(CannotRun, match="payload-keys: contains no key"):
        with_encryption(settings, asked=True)


def test_the_temporal_ui_learns_the_address_of_the_codec_server(settings: Settings) -> None:
    settings = with_encryption(settings, asked=True).with_changes(codec_server_url="http://127.0.0.1:15234")

    command = ENGINES["temporal"](settings).command
    content = ready_content(settings, ["temporal", "codec-server"], {})

    assert command[command.index("--ui-codec-endpoint") + 1] == "http://127.0.0.1:15234"
    assert content["codec_server"] == "http://127.0.0.1:15234"
    assert Path(content["codec_token_file"]).read_text().strip() == settings.codec_token.get_secret_value()  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ENGINES)
def test_no_engine_gets_a_secret_of_ours(name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINSAGA_TEMPORAL_PAYLOAD_KEYS", KEYS)

    environment = ENGINES[name](with_encryption(settings, asked=True)).environment

    assert not [variable for variable in environment if variable.startswith("TWINSAGA_")]
    assert "PATH" in environment
