"""A page of Prometheus metrics, as Prometheus reads it."""

from collections.abc import Callable, Mapping

import httpx2 as httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.waiting import eventually

SCRAPE_DEADLINE_S = 20.0
Labels = Mapping[str, str]


class Scraped:
    def __init__(self, url: str) -> None:
        self._url = url

    def samples(self, name: str) -> list[tuple[Labels, float]]:
        answer = httpx.get(self._url, timeout=SCRAPE_DEADLINE_S).raise_for_status()
        families = text_string_to_metric_families(answer.text)
        return [
            (sample.labels, sample.value) for family in families for sample in family.samples if sample.name == name
        ]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sum of the samples with these labels, or None without a sample."""
        found = [value for has, value in self.samples(name) if labels.items() <= has.items()]
        return sum(found) if found else None

    def await_value(self, name: str, wanted: Callable[[float], bool], what: str, **labels: str) -> None:
        def look() -> bool:
            value = self.value(name, **labels)
            return value is not None and wanted(value)

        eventually(look, f"{name}{labels} is {what}", every_s=0.2)
