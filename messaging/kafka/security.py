"""Authentication to Kafka, and verification of its certificate."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSecurity:
    """`ca_file` replaces the system's certificate authorities. Host names are always checked."""

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """Raises OSError or ssl.SSLError if the file is missing or contains no certificate."""
        encrypts = self.protocol in {"SSL", "SASL_SSL"}
        return ssl.create_default_context(cafile=self.ca_file) if encrypts else None

    def options(self) -> dict[str, Any]:
        """Options of any kafka-python client. Raises as `tls` does."""
        chosen: dict[str, Any] = {"security_protocol": self.protocol}
        if tls := self.tls():
            chosen["ssl_context"] = tls
        if self.protocol in {"SASL_PLAINTEXT", "SASL_SSL"}:
            chosen["sasl_mechanism"] = self.mechanism
            chosen["sasl_plain_username"] = self.user
            chosen["sasl_plain_password"] = self.password
        return chosen


NO_SECURITY: Final = KafkaSecurity()
