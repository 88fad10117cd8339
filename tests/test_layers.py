"""The layers: which module may import which, read from the code itself."""

import ast
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "storage_app"
HTTP = frozenset({"api", "cli", "metrics", "logs", "server", "__init__"})
FLASK = {"flask", "flask_smorest", "flask_cors", "flask_swagger_ui", "marshmallow", "apispec", "werkzeug"}

# From the bottom up. A module imports from the layers below its own, and from its own.
LAYERS: list[tuple[str, set[str]]] = [
    ("values", {"errors", "version", "signatures", "digests", "host"}),
    ("domain", {"domain", "content_types", "setting_kinds"}),
    ("settings", {"disk", "settings", "locks", "layout", "reserve", "spool", "access"}),
    ("stores", {"blobstore", "index", "tokens"}),
    (
        "services",
        {"guards", "notebook", "agreement", "ledger", "listing", "plans", "buckets", "files", "uploads", "signing"}
        | {"rebuild", "maintenance", "janitor", "check"},
    ),
    ("wiring", {"storage"}),
    ("surface", {"api", "cli", "progress", "logs"}),
    ("application", {"__init__"}),
    ("server", {"server"}),
]
LEVEL = {module: level for level, (_, modules) in enumerate(LAYERS) for module in modules}

# Who may import what from outside; nobody else does. The first part of a module's path is meant.
ONLY_IN: dict[str, Set[str]] = {
    **dict.fromkeys(FLASK, HTTP),
    "gunicorn": {"server"},
    "sqlalchemy": {"index"},
    "sqlite3": {"index"},
    "jwt": {"tokens"},
    "dotenv": {"settings"},
    "environs": {"settings", "setting_kinds"},
}


@dataclass(frozen=True)
class Import:
    """`module` of ours imports `target`: one of ours by its first part, or a library."""

    module: str
    target: str
    ours: bool
    line: int
    only_types: bool = False


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The first part of a module's name inside the package: `api` for api/files.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[Import]:
    part, depth = part_of(path), len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, *rest = alias.name.split(".")
                ours = first == "storage_app"
                yield Import(part, (rest or ["__init__"])[0] if ours else first, ours, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")
            if node.level == 0 and module[0] != "storage_app":
                yield Import(part, module[0], False, node.lineno)
            elif 0 < node.level < depth:
                continue  # inside a package of ours
            else:
                names = module[1:] if node.level == 0 else [name for name in module if name]
                for target in names[:1] or [alias.name for alias in node.names]:
                    yield Import(part, target, True, node.lineno)


ALL = [each for path in sources() for each in imports(path)]


def test_every_module_has_a_layer() -> None:
    assert {part_of(path) for path in sources()} == set(LEVEL)


def test_modules_import_from_below_only() -> None:
    wrong = [
        f"{each.module} (line {each.line}) imports {each.target}"
        for each in ALL
        if each.ours and LEVEL.get(each.target, 0) > LEVEL[each.module]
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "targets"),
    [
        ("errors", set()),
        ("domain", {"errors"}),
        ("access", {"domain"}),
        ("tokens", {"domain", "errors"}),
        ("blobstore", {"disk", "domain", "errors", "host"}),
        ("index", {"access", "disk", "domain", "errors", "host"}),
    ],
)
def test_what_the_core_rests_on_rests_on_little(module: str, targets: set[str]) -> None:
    assert {each.target for each in ALL if each.ours and each.module == module} == targets


def test_services_import_no_settings_and_nothing_of_http() -> None:
    services = dict(LAYERS)["services"]
    assert [each for each in ALL if each.module in services and each.target in {"settings", "storage", "api"}] == []


def test_libraries_stay_where_they_belong() -> None:
    wrong = [
        f"{each.module} (line {each.line}) imports {each.target}"
        for each in ALL
        if not each.ours and each.module not in ONLY_IN.get(each.target, {each.module})
    ]
    assert wrong == []


@pytest.mark.parametrize("library", ["flask", "sqlalchemy", "jwt", "environs"])
def test_rule_about_a_library_is_about_something(library: str) -> None:
    assert any(each.target == library for each in ALL if not each.ours)


def test_layers_have_no_cycles() -> None:
    """Of the parts of one layer, too: `files` may rest on `listing`, but then not the other way round."""
    needs = {part: {each.target for each in ALL if each.ours and each.module == part} - {part} for part in LEVEL}
    while needs:
        ready = [part for part, targets in needs.items() if not targets & set(needs)]
        assert ready, f"a cycle among {sorted(needs)}"
        for part in ready:
            del needs[part]


def environment_readers(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv"):
            if isinstance(node.value, ast.Name) and node.value.id == "os":
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for alias in node.names if alias.name in ("environ", "environb", "getenv"))


def test_only_settings_looks_at_the_environment() -> None:
    assert {part_of(path) for path in sources() if list(environment_readers(path))} == {"settings"}


def test_store_is_opened_by_its_wiring_alone() -> None:
    """Services are given an open index and a store that fulfils the port; they name no filesystem."""
    namers = {
        part_of(path)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id == "FilesystemStore"
    }
    assert namers == {"storage", "maintenance"}
