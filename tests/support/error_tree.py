"""Every class of errors.py, from the base down."""

from collections.abc import Iterator

from storage_app.errors import SettingsError, StorageError, StoreUnusable

# They end a start, so no client sees them.
STARTING = frozenset({SettingsError, StoreUnusable})


def every_error(cls: type[StorageError] = StorageError) -> Iterator[type[StorageError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from every_error(child)
