"""The files in deploy/observe, as their programs read them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from tests.support.checkout import ROOT

FOLDER: Path = ROOT / "deploy" / "observe"
PROMETHEUS: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
OF_PROMETHEUS = {"up", "ALERTS"}
"""Metrics that Prometheus makes itself."""


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Every expression of the alerts and of the dashboard."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [rule["expr"] for rule in alerts()] + [filled(expression) for expression in shown]


def filled(expression: str) -> str:
    """Grafana replaces its variable before it asks Prometheus."""
    return expression.replace("$__rate_interval", "1m")


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """Raises ValueError: the expression is no PromQL."""
    found: list[promql_parser.VectorSelector] = []

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return iter(found)
