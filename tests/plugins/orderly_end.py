"""A test run that ends in order: SIGTERM tears fixtures down as Ctrl-C does, and its coverage data goes with it."""

import os
import signal
from pathlib import Path

import pytest


def pytest_configure() -> None:
    # A shell starts background jobs with SIGINT ignored, so both are set.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    beside_others = hasattr(config, "workerinput")
    if "COVERAGE_FILE" in os.environ and not beside_others:
        data = Path(os.environ["COVERAGE_FILE"])
        for path in [data, *data.parent.glob(f"{data.name}.*")]:  # and those of the processes beside this one
            path.unlink(missing_ok=True)
