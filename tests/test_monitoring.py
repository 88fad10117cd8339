"""The dashboard and the alerts in deploy/: Prometheus can read them, and they name metrics that there are."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from storage_app.host.measures import Event
from storage_app.metrics import Metrics
from storage_app.server import counts
from tests.support.checkout import ROOT
from tests.support.receiver import SECRET
from tests.test_docs import rows, section

ALERTS = ROOT / "deploy" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana-dashboard.json"


@pytest.fixture
def names(make_app: Callable[..., Flask]) -> set[str]:
    """The names of all samples that a worker with some requests and webhooks shows."""
    app = make_app(WEBHOOK_URL="http://127.0.0.1:9", WEBHOOK_SECRET=SECRET)
    metrics = Metrics()
    metrics.counters.answered("/", "GET", 200, seconds=0.1, received=1, sent=5)
    metrics.counters.count(Event.EARLY_REFUSAL, "4xx")
    metrics.counters.count(Event.WEBHOOK, "delivered")
    counts.add_gauges(metrics, app.extensions["storage"])
    text = metrics.exposition(app.extensions["storage"], "")[0].decode()
    return {name for name in re.findall(r"^(\w+)", text, re.MULTILINE) if not name.endswith("_created")}


def used_in(path: Path) -> set[str]:
    return set(re.findall(r"selfdb_storage_\w+", path.read_text()))


def test_promtool_understands_the_alerts() -> None:
    done = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [ALERTS, DASHBOARD], ids=lambda path: path.name)
def test_every_metric_that_is_used_exists(names: set[str], path: Path) -> None:
    assert len(used_in(path)) > 8
    assert used_in(path) - names == set()


def test_dashboard_shows_every_metric(names: set[str]) -> None:
    shown = used_in(DASHBOARD)
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert {family for family in families if not any(name.startswith(family) for name in shown)} == set()


def test_every_panel_asks_something_that_prometheus_can_parse(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # YAML includes JSON
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_metric_is_documented_and_no_other(names: set[str]) -> None:
    cells = [row[0] for row in rows(section((ROOT / "docs" / "operations.md").read_text(), "## Metrics"))]
    documented = {f"selfdb_storage_{name}" for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert documented == {re.sub(r"(?<=_seconds)_(bucket|sum|count)$", "", name) for name in names}
