"""Alerts, dashboard, scrapes and runbook agree. Which metrics exist: tests/spec/test_metrics.py asks the processes."""

import re
from typing import Any

import grafana_foundation_sdk.cog.plugins
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from embedded.addresses import METRICS
from tests.support.checkout import ROOT
from tests.support.observe import DASHBOARD, FOLDER, PROMETHEUS, alerts, expressions, panels, selectors

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
every_alert = pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])


def scraped(job: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in PROMETHEUS["scrape_configs"] if each["job_name"] == job)
    return found


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_is_valid_and_selects_metrics(expression: str) -> None:
    assert [selector.name for selector in selectors(expression)]


def test_prometheus_scrapes_every_process_at_its_port() -> None:
    (discovered,) = scraped("twinsaga")["dns_sd_configs"]

    assert set(discovered["names"]) == METRICS.keys()
    assert {COMPOSE[name]["environment"]["TWINSAGA_METRICS_PORT"] for name in METRICS} == {str(discovered["port"])}
    assert "0.0.0.0" in {COMPOSE[name]["environment"]["TWINSAGA_METRICS_HOST"] for name in METRICS}  # noqa: S104 - compared


def test_prometheus_scrapes_containers_that_exist() -> None:
    (static,) = scraped("observers")["static_configs"]

    assert {target.split(":")[0] for target in static["targets"]} <= COMPOSE.keys()


def test_the_death_of_any_process_is_an_alert() -> None:
    (down,) = (alert for alert in alerts() if alert["alert"] == "ProcessDown")
    watched = {
        matcher.value
        for selector in selectors(down["expr"])
        for matcher in selector.matchers.matchers
        if matcher.name == "process"
    }

    assert watched == METRICS.keys()


@every_alert
def test_an_alert_leads_to_its_paragraph_and_to_commands(alert: dict[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    paragraphs = re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    sections = {heading.lower(): text for heading, text in paragraphs}

    assert page == "docs/operations.md"
    assert anchor == alert["alert"].lower()
    assert "```sh\n" in sections[anchor]
    assert alert["labels"]["severity"] in {"warning", "critical"}


def test_the_runbook_has_no_paragraph_without_an_alert() -> None:
    assert set(re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)) == {alert["alert"] for alert in alerts()}


@every_alert
def test_the_summary_of_an_alert_uses_labels_that_it_has(alert: dict[str, Any]) -> None:
    kept = set(re.findall(r"by \(([^)]*)\)", alert["expr"]))
    labels = {label.strip() for each in kept for label in each.split(",")} or {"process"}

    assert set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"])) <= labels


def test_grafana_knows_every_field_of_the_dashboard() -> None:
    grafana_foundation_sdk.cog.plugins.register_default_plugins()

    read: Any = yaml.safe_load(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))

    assert lost(DASHBOARD, read) == []


def lost(ours: object, read: object, path: str = "") -> list[str]:
    """The places where Grafana's model lacks what we wrote."""
    if isinstance(ours, dict) and isinstance(read, dict):
        return [place for key, value in ours.items() for place in lost(value, read.get(key), f"{path}.{key}")]
    if isinstance(ours, list) and isinstance(read, list) and len(ours) == len(read):
        pairs = enumerate(zip(ours, read, strict=True))
        return [place for at, (one, other) in pairs for place in lost(one, other, f"{path}[{at}]")]
    return [] if ours == read else [path]


def test_both_styles_are_side_by_side_with_the_same_questions() -> None:
    left, right = (
        {panel["title"].removesuffix(ending): panel for panel in panels() if panel["title"].endswith(ending)}
        for ending in (" (orchestrated)", " (choreographed)")
    )

    assert left.keys() == right.keys() != set()
    for title, panel in left.items():
        twin = right[title]
        asked = [target["expr"].replace("orchestrated", "choreographed") for target in panel["targets"]]
        assert asked == [target["expr"] for target in twin["targets"]]
        assert (panel["gridPos"]["x"], twin["gridPos"]["x"]) == (0, panel["gridPos"]["w"])
        assert panel["gridPos"]["y"] == twin["gridPos"]["y"]


def test_the_data_sources_of_the_dashboard_are_provisioned() -> None:
    provisioned = yaml.safe_load((FOLDER / "grafana-datasources.yaml").read_text())["datasources"]

    assert {panel["datasource"]["uid"] for panel in panels()} <= {source["uid"] for source in provisioned}
