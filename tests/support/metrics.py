"""Metrics as Prometheus reads them."""

import subprocess
from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

Samples = Mapping[str, float]


def parse(text: str) -> Samples:
    """Return each value by its name and labels, as `name{label="value"}` without the prefix of all names."""
    return {
        shown(sample.name.removeprefix("selfdb_storage_"), sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def lint(text: str) -> str:
    """Return what promtool has to say about the metrics, nothing if they are well-formed and well-named."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is (done.stdout + done.stderr == "")
    return done.stdout + done.stderr


def shown(name: str, labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inner}}}" if inner else name


def scrape(url: str) -> Samples:
    """Return the metrics of the service at `url`."""
    return parse(httpx.get(f"{url}/metrics", timeout=30).raise_for_status().text)


def requests(samples: Samples, method: str, route: str, status: str = "2xx") -> float:
    """Return how many requests were counted."""
    labels = {"method": method, "route": route, "status": status}
    return samples.get(shown("request_seconds_count", labels), 0)
