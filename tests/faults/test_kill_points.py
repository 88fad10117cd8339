"""Killed before any of its calls that change the disk, an operation is done or not done, whole, and leaves nothing.

A living process recovers what it left, or a restart does, or a rebuild of the index, which may have been lost or may
have lost its last transactions in a power cut. Tried are some of the calls, each with some of the ways, of every
operation over SQLite and two over PostgreSQL; `--ci`: seven there; `--long`: every call, every way, every operation.
"""

from collections.abc import Callable

import pytest

from tests.faults.kills import kill_everywhere
from tests.faults.operations import OPERATIONS
from tests.faults.runs import Report

pytestmark = pytest.mark.slow

POINTS = "kill points"


def test_kill_leaves_the_state_before_or_after(name: str, prove: Callable[..., Report]) -> None:
    report = prove(kill_everywhere, name)
    if report.broken:
        pytest.fail("\n".join(report.broken), pytrace=False)
    operation = OPERATIONS[name]
    numbers = {operation.every.index(state) for state in operation.states + operation.halfway}
    # Each was met, so the kills were before and after what decides.
    assert report.states & numbers == numbers
