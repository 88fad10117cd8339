"""Whichever of its calls that change the disk fails, an operation is done or refused with 503 or 507, in a process
that lives on: nothing is left, the next upload succeeds, and index and sidecars agree without a restart.

SQLite's calls are among them, so that a COMMIT fails or its outcome is unknown. Tried are some of the calls, with one
error each, of every operation over SQLite and two over PostgreSQL; `--ci`: seven there; `--long`: everything.
"""

from collections.abc import Callable

import pytest

from tests.faults.failures import fail_everywhere
from tests.faults.runs import Report

pytestmark = pytest.mark.slow

POINTS = "failing calls"


def test_failure_leaves_the_state_before_or_after(name: str, prove: Callable[..., Report]) -> None:
    report = prove(fail_everywhere, name)
    if report.broken:
        pytest.fail("\n".join(report.broken), pytrace=False)
