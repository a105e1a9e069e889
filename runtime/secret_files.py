"""Secrets that a file holds, as Docker, Kubernetes and systemd hand them out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from runtime.errors import CannotRun


class SecretFiles(PydanticBaseSettingsSource):
    """For a secret `x`, what is in the file that the variable `TWINSAGA_X_FILE` names, without its last newline."""

    def __init__(self, settings_cls: type[BaseSettings], environment: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._environment = environment

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{self.config.get('env_prefix', '')}{field_name}_file".upper()
        named = self._environment.get(variable) if _is_secret(field) else None
        if named is None:
            return None, field_name, False
        try:
            return Path(named).read_text().rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as unreadable:
            raise CannotRun(f"{variable}: {named} cannot be read: {unreadable}") from unreadable

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)
