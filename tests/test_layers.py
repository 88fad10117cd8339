"""The layers: which folder may import which, and which library, read from the code itself."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "storage_app"

# From the bottom up. A folder (or a module that lies flat) imports from the rows above it, and from itself.
LAYERS: list[set[str]] = [
    {"errors", "version"},
    {"domain", "settings", "logs"},
    {"media_types", "auth", "host"},
    {"blobstore", "index"},
    {"journal"},
    {"services", "maintenance", "events"},
    {"node"},
    {"metrics"},
    {"api", "cli"},
    {"__init__"},  # create_app
    {"server"},
    {"__main__"},  # the command
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

FLASK = {"flask", "flask_smorest", "flask_cors", "flask_swagger_ui", "marshmallow", "webargs", "apispec"}
LIBRARIES: dict[str, set[str]] = {
    **{library: {"api", "cli", "logs", "__init__", "__main__"} for library in FLASK},
    "werkzeug": {"api", "__init__", "server"},
    "concurrent_log_handler": {"host"},
    "click": {"cli", "maintenance", "__main__"},
    "dotenv": {"settings"},
    "environs": {"settings"},
    "gunicorn": {"server"},
    "jwt": {"auth"},
    "prometheus_client": {"metrics"},
    "psycopg": {"index"},
    "sqlalchemy": {"index"},
    "sqlite3": {"index"},
    "standardwebhooks": {"events"},
    "urllib3": {"events"},
}


@dataclass(frozen=True)
class Import:
    """`module` imports `target`: the dotted path of one of ours inside the package, or a library."""

    module: str
    target: str
    ours: bool
    line: int

    def __str__(self) -> str:
        return f"{self.module} (line {self.line}) imports {self.target}"


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return the dotted path inside the package: `api.files` for api/files.py, `index` for index/__init__.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(path) for path in sources()}


def part_of(module: str) -> str:
    return module.partition(".")[0]


def imports(path: Path) -> Iterator[Import]:
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert not alias.name.startswith("storage_app"), f"{path}: import ours by relative paths"
                yield Import(name_of(path), part_of(alias.name), False, node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module
            assert not node.module.startswith("storage_app"), f"{path}: import ours by relative paths"
            yield Import(name_of(path), part_of(node.module), False, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".strip(".")
                yield Import(name_of(path), inner if inner in MODULES else base or "__init__", True, node.lineno)


@cache
def every_import() -> tuple[Import, ...]:
    return tuple(each for path in sources() for each in imports(path))


def ours() -> list[Import]:
    return [each for each in every_import() if each.ours]


def wrong(imports_: list[Import]) -> list[str]:
    return [str(each) for each in imports_]


def test_every_folder_has_a_layer() -> None:
    assert {part_of(module) for module in MODULES} == set(LEVEL)


def test_only_few_modules_lie_flat() -> None:
    flat = {path.stem for path in PACKAGE.glob("*.py")}
    assert flat == {"__init__", "__main__", "errors", "version", "logs", "node"}


def test_folders_import_from_below_only() -> None:
    upward = [
        each
        for each in ours()
        if part_of(each.target) != part_of(each.module) and LEVEL[part_of(each.target)] >= LEVEL[part_of(each.module)]
    ]
    assert wrong(upward) == []


def test_core_gets_plain_values_and_no_settings() -> None:
    readers = {part_of(each.module) for each in ours() if part_of(each.target) == "settings"}
    assert readers == {"settings", "node", "api", "cli", "__init__", "server", "__main__"}


def test_mechanics_of_http_know_no_service() -> None:
    forbidden = ("services", "maintenance", "journal", "index", "blobstore", "node")
    known = [each for each in ours() if each.module.startswith("api.http") and part_of(each.target) in forbidden]
    assert wrong(known) == []


def test_libraries_stay_where_they_belong() -> None:
    astray = [
        each
        for each in every_import()
        if not each.ours and part_of(each.module) not in LIBRARIES.get(each.target, {part_of(each.module)})
    ]
    assert wrong(astray) == []


@pytest.mark.parametrize("library", sorted(set(LIBRARIES) - {"psycopg"}))
def test_rule_about_a_library_is_about_something(library: str) -> None:
    assert any(each.target == library for each in every_import() if not each.ours)


def test_modules_have_no_cycles() -> None:
    """A package's own `__init__` counts as what it imports: `index` rests on `index.database`."""
    needs = {module: {each.target for each in ours() if each.module == module} - {module} for module in MODULES}
    while needs:
        ready = [module for module, targets in needs.items() if not targets & set(needs)]
        assert ready, f"a cycle among {sorted(needs)}"
        for module in ready:
            del needs[module]


def environment_readers(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv"):
            if isinstance(node.value, ast.Name) and node.value.id == "os":
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for alias in node.names if alias.name in ("environ", "environb", "getenv"))


def test_only_settings_looks_at_the_environment() -> None:
    assert {name_of(path) for path in sources() if list(environment_readers(path))} == {"settings.environment"}


def namers(identifier: str) -> set[str]:
    """Return the modules whose code names `identifier`."""
    return {
        name_of(path)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id == identifier
    }


def test_store_is_made_by_its_factory_alone() -> None:
    assert namers("FilesystemStore") == {"blobstore.factory"}


def test_scheduler_is_known_to_the_server_alone() -> None:
    """And to the seam that it is installed in."""
    assert {part_of(module) for module in namers("Scheduler")} == {"server", "host"}
    assert {module for module in namers("Scheduler") if part_of(module) == "host"} == {"host.blocking"}
    installers = [path for path in sources() if "blocking.install(" in path.read_text()]
    assert {part_of(name_of(path)) for path in installers} == {"server"}


# What asks which kind of database it has to do with.
ASKING = re.compile(r"\bis_shared\b|\bcommits_durably\b|isinstance\([^)]*\b(Sqlite|Postgres)\b|dialect\.name ==")


def test_kind_of_database_is_asked_for_in_three_files_at_most() -> None:
    asking = {name_of(path) for path in sources() if ASKING.search(path.read_text())}
    assert asking == {"index.database", "journal.log", "maintenance.recover"}
