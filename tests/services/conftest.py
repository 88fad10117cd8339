"""The services of one store for each module, emptied after each test."""

from collections.abc import Iterator

import pytest

from tests.support.core import Core, open_core


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    with open_core(tmp_path_factory.mktemp("core") / "store", MAX_UPLOADS="16", MAX_FILE_SIZE="1000") as core:
        yield core


@pytest.fixture
def empty(opened: Core) -> Iterator[Core]:
    """Services without any bucket."""
    yield opened
    opened.empty()


@pytest.fixture
def core(empty: Core) -> Core:
    """Services with one bucket of Alice's, `photos`. Modules that need others have their own."""
    empty.bucket()
    return empty
