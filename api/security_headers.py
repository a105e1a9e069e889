"""Headers that tell browsers what our answers may do. Every answer has them, also errors and streams."""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

_POLICY = "Content-Security-Policy"


def policy_with(**sources: str) -> dict[str, str]:
    """Return the content security policy that allows only `sources`, for example `script_src="'self'"`."""
    kinds = ("default-src", "base-uri", "form-action", "frame-ancestors")
    allowed = {**dict.fromkeys(kinds, "'none'"), **{kind.replace("_", "-"): found for kind, found in sources.items()}}
    return {_POLICY: "; ".join(f"{kind} {found}" for kind, found in allowed.items())}


SECURITY_HEADERS: Final[Mapping[str, str]] = {
    **policy_with(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def with_security_headers(send: Send) -> Send:
    """Add the headers to the answer. A header that the answer has already stays: pages have policies of their own."""

    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return secured
