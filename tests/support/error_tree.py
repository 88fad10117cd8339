"""Every class of refusal, from the base down. They all stand in errors.py, whose page and tree are tested with this."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import storage_app
from storage_app.errors import SettingsError, StorageError, StoreUnusable

# They end a start, so no client sees them.
STARTING = frozenset({SettingsError, StoreUnusable})


# A class that another module added would be seen only once that module is imported.
for module in pkgutil.walk_packages(storage_app.__path__, "storage_app."):
    if not module.name.endswith("__main__"):
        import_module(module.name)


def every_error(cls: type[StorageError] = StorageError) -> Iterator[type[StorageError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from every_error(child)
