"""The two trees: a module's tests lie at the module's path, and tests lie where their module is."""

import ast
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "storage_app"

# Modules without tests at their path, and tests that are of no module there.
EXCEPTIONS = {
    "storage_app/version.py": "It holds a number, which test_packaging.py compares with what is installed.",
    "storage_app/api/__init__.py": "It puts the parts together, and tests/e2e/test_cors.py asks what came of it.",
    "storage_app/blobstore/base.py": "It is a protocol, which tests/blobstore/suite.py tells about every store.",
    "storage_app/domain/changes.py": "It is data without a rule; tests/journal/test_commit_changes.py sees it made.",
    "storage_app/domain/copies.py": "It is data without a rule, which services/copies.py judges.",
    "storage_app/domain/pages.py": "It is data without a rule; tests/services/test_listing.py sees it made.",
    "storage_app/domain/reservations.py": "It is data without a rule, which services/reservations.py makes.",
    "storage_app/domain/uploads.py": "It is data without a rule, which services/upload_rules.py judges.",
    "storage_app/services/upload_bodies.py": "It is a protocol, which tests/api/http/test_bodies.py fulfils.",
    "tests/blobstore/test_memory_store.py": "The store in memory is a part of the tests, and must fulfil the port.",
    "tests/services/test_services_on_memory.py": "All services are told together, over another store.",
    "tests/services/test_services_on_postgres.py": "All services are told together, over another index.",
}


def has_code(path: Path) -> bool:
    """Whether a package's `__init__.py` does more than to import."""
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.parse(path.read_text()).body)


def modules(package: Path) -> list[PurePosixPath]:
    """Return the modules that shall have tests, by their paths in `package`.

    An `__init__.py` is one if it has code, but for that of `package` itself: any test with an application asks it.
    """
    return [
        PurePosixPath(path.relative_to(package))
        for path in sorted(package.rglob("*.py"))
        if path.name != "__init__.py" or (path.parent != package and has_code(path))
    ]


def files_of_tests(tests: Path) -> list[PurePosixPath]:
    return sorted(PurePosixPath(path.relative_to(tests)) for path in tests.rglob("test_*.py"))


def is_of(test: PurePosixPath, module: PurePosixPath) -> bool:
    """Whether `test` lies at the path of `module`: in its folder, as test_<module>.py or test_<module>_*.py.

    The tests of an `__init__.py` are called like its package, those of `__main__.py` test_main.py.
    """
    name = f"test_{module.parent.name if module.stem == '__init__' else module.stem.strip('_')}"
    return test.parent == module.parent and (test.stem == name or test.stem.startswith(f"{name}_"))


def untested(modules: Iterable[PurePosixPath], tests: Iterable[PurePosixPath]) -> set[str]:
    """Return the modules without tests at their path."""
    tests = list(tests)
    return {f"storage_app/{module}" for module in modules if not any(is_of(test, module) for test in tests)}


def astray(modules: Iterable[PurePosixPath], tests: Iterable[PurePosixPath]) -> set[str]:
    """Return the tests, in the folders that modules have, that are of no module there."""
    modules = list(modules)
    folders = {module.parent for module in modules} - {PurePosixPath()}
    return {
        f"tests/{test}"
        for test in tests
        if test.parent in folders and not any(is_of(test, module) for module in modules)
    }


def test_every_module_has_tests_at_its_path() -> None:
    assert untested(modules(PACKAGE), files_of_tests(TESTS)) - set(EXCEPTIONS) == set()


def test_every_test_lies_at_the_path_of_a_module() -> None:
    assert astray(modules(PACKAGE), files_of_tests(TESTS)) - set(EXCEPTIONS) == set()


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exception_is_still_needed(name: str) -> None:
    assert (TESTS.parent / name).is_file()
    every = untested(modules(PACKAGE), files_of_tests(TESTS)) | astray(modules(PACKAGE), files_of_tests(TESTS))
    assert name in every, "take it out"
    assert EXCEPTIONS[name].endswith("."), "give a reason, in a sentence"


@pytest.mark.parametrize(
    ("test", "module", "of"),
    [
        ("host/test_files.py", "host/files.py", True),
        ("host/test_files_in_threads.py", "host/files.py", True),
        ("host/test_filesystem.py", "host/files.py", False),
        ("domain/test_files.py", "host/files.py", False),
        ("test_files.py", "host/files.py", False),
        ("test_cli.py", "cli.py", True),
        ("test_main.py", "__main__.py", True),
        ("settings/test_settings.py", "settings/__init__.py", True),
        ("settings/test_kinds.py", "settings/__init__.py", False),
    ],
)
def test_test_is_of_the_module_of_its_name_in_its_folder(test: str, module: str, of: bool) -> None:
    assert is_of(PurePosixPath(test), PurePosixPath(module)) is of


def test_trees_that_differ_are_told_apart(tmp_path: Path) -> None:
    """Or the comparison would pass whatever there is."""
    package, tests = tmp_path / "storage_app", tmp_path / "tests"
    for path in ("cli.py", "__init__.py", "host/__init__.py", "host/files.py", "host/locks.py", "media/__init__.py"):
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).touch()
    (package / "__init__.py").write_text("def create_app():\n    pass\n")
    (package / "media" / "__init__.py").write_text("def decide():\n    pass\n")
    for path in ("test_docs.py", "e2e/test_order.py", "host/test_files.py", "host/test_order.py", "host/children.py"):
        (tests / path).parent.mkdir(parents=True, exist_ok=True)
        (tests / path).touch()
    assert untested(modules(package), files_of_tests(tests)) == {
        "storage_app/cli.py",
        "storage_app/host/locks.py",
        "storage_app/media/__init__.py",
    }
    assert astray(modules(package), files_of_tests(tests)) == {"tests/host/test_order.py"}
    (tests / "media").mkdir()
    (tests / "media" / "test_media.py").touch()
    assert "storage_app/media/__init__.py" not in untested(modules(package), files_of_tests(tests))


def test_files_with_slow_tests_run_first(request: pytest.FixtureRequest) -> None:
    items = request.session.items
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    first = [item.path in slow for item in items]
    assert first == sorted(first, reverse=True)
