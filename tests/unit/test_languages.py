"""The labels of the page in the languages that it has."""

import re
from typing import get_args

import pytest
from starlette.requests import Request

from api.dependencies import ProcessState
from api.languages import LANGUAGES, wording_for
from api.routers.page import CARDS, PRODUCTS, STATIC, STYLES
from api.schemas.order_views import StepView
from domain.order import Reason, Step
from services.intake.fields import StatusName

PLACEHOLDER = re.compile(r"\{\w+\}")
OF_LISTS = re.compile(r"(?:COLUMNS = \[|DUTIES = \{)(.*?)[\]}];", re.DOTALL)


def request(*, language: str = "", chosen: str = "", cookie: str = "") -> Request:
    headers = [(b"accept-language", language.encode("latin-1")), (b"cookie", f"twinsaga-language={cookie}".encode())]
    return Request({"type": "http", "headers": headers, "query_string": f"language={chosen}".encode()})


PORTUGUESE = wording_for(request(chosen="pt-BR")).texts


def shown_texts() -> set[str]:
    """The English texts in templates and scripts, and those that the page and the API choose from."""
    sources = [*STATIC.glob("*.js"), *STATIC.with_name("templates").glob("*.html")]
    content = "\n".join(file.read_text() for file in sources)
    found = set(re.findall(r'\bsay\("([^"]+)"', content))
    for listed in OF_LISTS.findall(content):
        found |= {text for text, is_name in re.findall(r'"([^"]+)"(:?)', listed) if not is_name}
    problems = STATIC.with_name("routers") / "sign_in.py"
    found |= set(re.findall(r'why = "([^"]+)"', problems.read_text()))
    names = [*Step, *Reason, *get_args(StatusName), *get_args(ProcessState)]
    names += get_args(StepView.model_fields["status"].annotation)
    found |= {name.replace("_", " ") for name in names}
    found |= {product.name for product in PRODUCTS} | set(CARDS.values()) | set(STYLES.values())
    found |= {part for style in STYLES for part in (style, f"{style} only")}
    return found | {"left out", "start", "stop", "kill"}


def test_every_text_of_the_page_is_translated_and_no_other() -> None:
    assert shown_texts() == PORTUGUESE.keys()


@pytest.mark.parametrize("text", PORTUGUESE)
def test_a_translation_has_the_same_places_for_values(text: str) -> None:
    assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(PORTUGUESE[text]))


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"),
        ("pt", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("en-GB, pt;q=0.9", "en"),
        ("pt;q=0.5, en", "en"),
        ("fr, pt;q=0.1", "pt-BR"),
        ("fr", "en"),
        ("pt;q=0", "en"),
        ("pt;q=x", "en"),
        ("*", "en"),
        (";;;,,,=", "en"),
        ("\xff", "en"),
        ("x," * 10_000 + "pt", "en"),
    ],
    ids=lambda value: value[:30].encode("unicode_escape").decode(),
)
def test_the_language_is_the_first_one_that_the_browser_accepts(accepted: str, language: str) -> None:
    assert wording_for(request(language=accepted)).language == language


def test_a_choice_on_the_page_comes_before_what_the_browser_accepts() -> None:
    assert wording_for(request(language="en", cookie="pt-BR")).language == "pt-BR"
    assert wording_for(request(language="en", cookie="en", chosen="pt-BR")).language == "pt-BR"
    assert wording_for(request(language="pt", cookie="pt-BR", chosen="../en")).language == "pt-BR"
    assert set(LANGUAGES) == {"en", "pt-BR"}
