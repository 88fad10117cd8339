"""Clients that are generated from the document work, as on the page about them, and linters find nothing in it.

One linter runs by default, and two in CI.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.checkout import ROOT
from tests.support.npm import CLIENTS, TOOLS, installed, run
from tests.support.service import RunningService, bearer, token


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with every route, those of SelfDB included."""
    path = tmp_path_factory.mktemp("clients") / "store"
    with RunningService(path, SERVICE_KEY="a-service-key-for-tests-of-32-bytes") as running:
        yield running


@pytest.fixture(scope="module")
def document(service: RunningService) -> Path:
    path = service.storage_path.with_name("openapi.json")
    path.write_bytes(httpx.get(f"{service.url}/openapi.json").content)
    return path


@pytest.fixture(scope="session")
def tools() -> Path:
    return installed()


def test_python_client_is_generated_without_a_warning_and_works(
    service: RunningService, document: Path, tmp_path: Path
) -> None:
    generator: list[str | Path] = ["openapi-python-client", "generate", "--meta", "none", "--fail-on-warning"]
    printed = run([*generator, "--path", document, "--output-path", tmp_path / "storage_client"], tmp_path)
    assert "WARNING" not in printed.upper()
    script = CLIENTS / "python" / "use_client.py"
    run([sys.executable, script, service.url, token(), "from-python"], tmp_path, PYTHONPATH=str(tmp_path))


def test_typescript_client_is_generated_without_a_warning_and_works(
    service: RunningService, document: Path, tools: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "typescript"
    shutil.copytree(CLIENTS / "typescript", folder)
    shutil.copy(CLIENTS / "package.json", folder)
    (folder / "node_modules").symlink_to(TOOLS / "node_modules")
    printed = run([tools / "openapi-typescript", document, "--output", "schema.ts"], folder)
    assert "warn" not in printed.lower()
    run([tools / "tsc", "--project", "."], folder)
    run(["node", "client.js", service.url, token(), "from-typescript"], folder)


# What the page's commands install is there already.
INSTALLED = """\
set -o errexit -o nounset -o pipefail
python3() { :; }
source() { :; }
pip() { :; }
npm() { test "$1" = install || command npm "$@"; }
npx() { "$TOOLS/$@"; }
"""
SUFFIXES = {"python": "py", "ts": "ts"}


def commands_of_the_page(language: str) -> str:
    """Return what a reader types to upload with the client of `language`. Code goes into a file."""
    page = (ROOT / "docs" / "clients.md").read_text()
    start, *others = re.split(r"^### ", page.partition("\n## Pages in a browser")[0], flags=re.MULTILINE)
    (section,) = [each for each in others if each.startswith(language)]
    commands = [INSTALLED]
    for kind, code in re.findall(r"^```(\w+)\n(.*?)^```", start + section, re.MULTILINE | re.DOTALL):
        commands.append(code if kind == "sh" else f"cat > upload.{SUFFIXES[kind]} <<'END'\n{code}END\n")
    return "".join(commands)


@pytest.mark.parametrize("language", ["Python", "TypeScript"])
def test_commands_of_the_page_upload_a_picture(
    service: RunningService, tools: Path, tmp_path: Path, language: str
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in (".venv", "docs"):
        (project / name).symlink_to(ROOT / name)
    (tmp_path / "node_modules").symlink_to(TOOLS / "node_modules")
    commands = commands_of_the_page(language).replace("http://localhost:8001", service.url)
    run(["bash", "-c", commands], project, **service.environment, TOOLS=str(tools), PYTHONPATH=str(ROOT))
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        uploaded = client.get("/files/download/photos/2026/lake.jpg")
        assert uploaded.content == (ROOT / "docs" / "example.jpg").read_bytes()
        client.delete("/buckets/photos?force=true").raise_for_status()


LINTERS = [
    ["redocly", "lint", "--config", "redocly.yaml", "--max-problems", "1000"],
    ["spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "hint"],  # takes twice as long
]


def test_linters_find_nothing(document: Path, tools: Path, *, ci: bool, long: bool) -> None:
    for linter, *arguments in LINTERS if ci or long else LINTERS[:1]:
        printed = run([tools / linter, *arguments, document], CLIENTS)
        assert "warning" not in printed.lower().replace("no warning", "")
