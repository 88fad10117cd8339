"""Every way that the benchmarks measure, started once."""

from collections.abc import Iterator, Mapping

import pytest

from benchmarks.__main__ import started
from benchmarks.servers import INSTALLED_BY, program
from benchmarks.targets import Target, everybody


@pytest.fixture(scope="session")
def programs() -> None:
    try:
        for name in INSTALLED_BY:
            program(name)
    except ValueError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def ways(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Target]]:
    ways = everybody(tmp_path_factory.mktemp("ways"), [])
    with started(list(ways.values())):
        yield ways
