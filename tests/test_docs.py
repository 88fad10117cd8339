"""The documentation: its lists are complete and hold nothing else, its quotations and its links are true."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from storage_app.blobstore import sidecars
from storage_app.domain.buckets import Bucket, check_bucket_name
from storage_app.domain.files import File
from storage_app.domain.times import now
from storage_app.settings import SETTINGS
from tests.support.checkout import ROOT
from tests.support.error_tree import STARTING, every_error

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").glob("*.md")])
SOURCES = [*(ROOT / "storage_app").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
SCRIPTS = [ROOT / "run.sh", *(ROOT / "scripts").glob("*.sh"), ROOT / "deploy" / "nginx.conf"]

# What stands in a documented message for what differs.
VARIES = "…"


def read(name: str) -> str:
    return (ROOT / name).read_text()


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, to the next one of its level."""
    level = heading.partition(" ")[0]
    return re.split(rf"^{level} ", text.partition(f"{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table, without the heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = {i - 1 for i, line in enumerate(lines) if set(line) <= set("|-")}
    kept = [line for i, line in enumerate(lines) if i not in heads and not set(line) <= set("|-")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in kept]


def test_readme_begins_with_the_versions_of_selfdb_that_it_serves() -> None:
    served = re.findall(r"\[(0\.[\d.]*\d)\]\(#", read("deploy/selfdb.md").partition("\n## ")[0])
    said = re.findall(r"0\.[\d.]*\d", read("README.md").split("\n\n")[1])
    assert said == served
    assert len(served) == 2


def test_readme_has_every_setting_with_its_default_and_no_other() -> None:
    documented = [(name, default) for name, default, _ in rows(section(read("README.md"), "## Settings"))]
    assert documented == [(f"`{each.name}`", f"`{each.default}`" if each.default else "") for each in SETTINGS]


@pytest.mark.parametrize("setting", [each for each in SETTINGS if each.also], ids=lambda each: each.name)
def test_readme_has_the_other_names_of_settings(setting: object) -> None:
    assert f"`{setting.also}`" in section(read("README.md"), "## Settings")  # type: ignore[attr-defined]


def buckets_in_examples(text: str) -> set[str]:
    """Return the buckets that examples of ls, rm, cp, mv and of JSON name."""
    pairs = re.findall(r"\b(?:cp|mv) (?:-r )?(\S+) \S+/\S* (\S+) \S+/", text)
    single = re.findall(r"\b(?:selfdb-storage |`)(?:ls|rm) (?:-r )?(\S+) ", text)
    requests = re.findall(r'"bucket_id": "([^"]+)"', text)
    return {*single, *requests, *(name for pair in pairs for name in pair)}


def test_examples_name_buckets_that_may_exist() -> None:
    found = set[str]().union(*(buckets_in_examples(page.read_text()) for page in PAGES))
    assert "photos" in found
    for name in found:
        check_bucket_name(name)


def test_every_code_is_documented_with_its_status_and_no_other() -> None:
    documented = {row[0]: row[1] for row in rows(read("docs/errors.md")) if len(row) == 4}
    assert documented == {f"`{each.code}`": str(each.status) for each in every_error() if each not in STARTING}


def test_every_error_that_stops_a_start_is_documented() -> None:
    documented = {row[0] for row in rows(read("docs/errors.md")) if len(row) == 3}
    assert documented == {f"`{each.code}`" for each in STARTING}


def test_every_route_is_documented_and_no_other(app: Flask) -> None:
    documented = [row[0].strip("`") for row in rows(read("docs/api.md"))]
    assert sorted(documented) == sorted(set(routes(app)))


def routes(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        # The page and its assets are one thing to a reader.
        path = "/docs" if path.startswith("/docs/") else path
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield f"{method} {path}"


def messages() -> list[str]:
    """Return every text that the code holds, with what is put into it as `…`."""
    texts = [path.read_text() for path in SCRIPTS]
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else VARIES for part in node.values]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def quotations() -> list[str]:
    """Return the messages in the first column of the tables that tell what to do about them."""
    seen = [row[0] for row in rows(read("docs/troubleshooting.md"))]
    return [quoted for cell in seen for quoted in re.findall(r"`([^`]* [^`]*)`", cell)]


def test_troubleshooting_quotes_messages() -> None:
    assert len(quotations()) > 20


@pytest.mark.parametrize("quoted", quotations())
def test_quoted_message_is_one_that_the_code_gives(quoted: str) -> None:
    assert [text for text in messages() if quoted in text]


@pytest.mark.parametrize(
    ("heading", "written"),
    [
        ("## A sidecar", sidecars.dump_file(File("", "k", "", "", "", 0, "", "", {}, None, now(), now()))),
        ("## A bucket's record", sidecars.dump_bucket(Bucket("", "", "", now(), now()))),
    ],
)
def test_every_field_of_a_record_is_documented_in_its_order(heading: str, written: bytes) -> None:
    documented = [row[0].strip("`") for row in rows(section(read("docs/on-disk-format.md"), heading))]
    assert documented == re.findall(r'^  "(\w+)"', written.decode(), re.MULTILINE)


def test_everything_in_system_is_documented() -> None:
    (layout,) = (ROOT / "storage_app").rglob("layout.py")
    named = set(re.findall(r'self\.system / "([^"]+)"', layout.read_text()))
    documented = "\n".join(row[0] for row in rows(section(read("docs/on-disk-format.md"), "## `.system`")))
    assert len(named) >= 7
    assert [name for name in named if not re.search(rf"`{re.escape(name)}[`/]", documented)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if not resolves(page, target)] == []


def resolves(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = page.parent / name if name else page
    return path.exists() and (not anchor or anchor in anchors(path.read_text()))


def anchors(text: str) -> set[str]:
    """Return what GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_are_there(page: Path) -> None:
    named = set(re.findall(r"`((?:tests|storage_app|docs|scripts|deploy)/[\w/.-]+)`", page.read_text()))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_are_named_without_a_path_are_there(page: Path) -> None:
    sources = list((ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"^def (test_\w+)", "\n".join(path.read_text() for path in sources), re.MULTILINE))
    named = set(re.findall(r"`(test_\w+(?:\.py)?)`", page.read_text()))
    assert named - tests - {path.name for path in sources} == set()


def test_folders_that_the_architecture_draws_are_those_of_the_package() -> None:
    drawn = set(re.findall(r"<b>(\w+)/</b>", section(read("docs/ARCHITECTURE.md"), "## Layers")))
    assert drawn == {path.parent.name for path in (ROOT / "storage_app").glob("*/__init__.py")}


def places() -> list[str]:
    """Return the files and folders that the architecture sends a change to, without those that are planned."""
    cells = [row[1] for row in rows(section(read("docs/ARCHITECTURE.md"), "## Where does it go?"))]
    return [
        name
        for cell in cells
        if "planned" not in cell
        for name in re.findall(r"`([\w/]+(?:\.py|/))`", cell)
        if not name.startswith("tests/")
    ]


@pytest.mark.parametrize("name", sorted(set(places())))
def test_place_that_the_architecture_names_is_there(name: str) -> None:
    assert (ROOT / "storage_app" / name).exists()


def test_every_decision_is_in_the_list_with_its_title_and_no_other() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    titles = [page.read_text().partition("\n")[0].removeprefix("# ") for page in pages]
    listed = rows(read("docs/decisions/README.md"))
    assert [f"{row[0]}. {row[1]}" for row in listed] == [
        f"{title.partition('. ')[0]}. [{title.partition('. ')[2]}]({page.name})"
        for title, page in zip(titles, pages, strict=True)
    ]
