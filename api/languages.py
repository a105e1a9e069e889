"""The languages of the page. Its labels are English in the source, and looked up in a catalogue for any other language.

Problem details and all other texts of the API are English.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "pt-BR": "Português"}
PARAMETER: Final = "language"
_COOKIE: Final = "twinsaga-language"
_COOKIE_S: Final = 365 * 24 * 60 * 60
_DEFAULT: Final = "en"
_RANGES: Final = 20


@dataclass(frozen=True, slots=True)
class Wording:
    """Call it with an English text. `texts`: all translations, for the scripts of the page."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, text: str) -> str:
        return self.texts.get(text, text)


def _catalogue(language: str) -> Mapping[str, str]:
    file = Path(__file__).with_name("locales") / f"{language}.json"
    return json.loads(file.read_text()) if language != _DEFAULT else {}


_WORDINGS: Final = {language: Wording(language, _catalogue(language)) for language in LANGUAGES}


def wording_for(request: Request) -> Wording:
    """In the language that the user has chosen on the page, else the first one that the browser accepts."""
    for chosen in (request.query_params.get(PARAMETER), request.cookies.get(_COOKIE)):
        if chosen in _WORDINGS:
            return _WORDINGS[chosen]
    return _WORDINGS[_accepted(request.headers.get("accept-language", ""))]


def keep_choice(request: Request, response: Response) -> None:
    if (chosen := request.query_params.get(PARAMETER)) in _WORDINGS:
        response.set_cookie(_COOKIE, chosen, max_age=_COOKIE_S, httponly=True, samesite="lax")


def _accepted(header: str) -> str:
    """RFC 9110, 12.5.4: ranges with weights. A range of the language alone, or of another country, is close enough."""
    ranges = [part.partition(";") for part in header.split(",")[:_RANGES]]
    weighed = [(_weight(parameter), tag.strip().lower()) for tag, _, parameter in ranges]
    for weight, tag in sorted(weighed, key=lambda each: -each[0]):
        for language in LANGUAGES:
            if weight > 0 and tag.partition("-")[0] == language.partition("-")[0]:
                return language
    return _DEFAULT


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip().lower() == "q" else 1.0
    except ValueError:
        return 0.0
