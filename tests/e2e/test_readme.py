"""The README's first commands, pasted into bash in their order, with the answers that it promises."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.environment import clean_environment
from tests.support.service import RunningService

ADDRESS = "STORAGE=http://localhost:8001"
VARIES = "…"

# Every curl fails on a refusal, but for those that show the status themselves.
CHECKED_CURL = """\
curl() {
  case "$*" in
    *http_code*) command curl "$@" ;;
    *) command curl --fail-with-body "$@" ;;
  esac
}
set -o errexit -o nounset -o pipefail
"""


def steps() -> list[tuple[str, str]]:
    """Return the commands under "Use it", each with the answer that stands below it."""
    text = (ROOT / "README.md").read_text().partition("## Use it\n")[2].partition("\n## ")[0]
    return re.findall(r"^```bash\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("readme") / "store") as service:
        yield service


@pytest.fixture(scope="module")
def outputs(running: RunningService, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Run all commands in one shell; return what each block printed."""
    mark = "----- next block -----\n"
    commands = [code.replace(ADDRESS, f"STORAGE={running.url}") for code, _ in steps()]
    script = f"echo '{mark.strip()}'\n".join([CHECKED_CURL, *commands])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=checkout(tmp_path_factory.mktemp("checkout")),
        # This checkout's code, whatever .venv belongs to.
        env=clean_environment(running.environment) | {"no_proxy": "*", "NO_PROXY": "*", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    printed = done.stdout.split(mark)[1:]
    assert done.returncode == 0, f"block {len(printed)} failed:\n{printed[-1]}\n{done.stderr}"
    return printed


def checkout(folder: Path) -> Path:
    """Make the project's folder, as far as the commands use it, where what they write does no harm."""
    for name in (".venv", "docs"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def test_readme_has_the_steps_and_the_address() -> None:
    commands = [code for code, _ in steps()]
    assert sum(code.count("curl") for code in commands) >= 14
    assert ADDRESS in commands[0]
    assert "./run.sh" in (ROOT / "README.md").read_text().partition("## Use it\n")[0]


def test_every_command_succeeds(outputs: list[str]) -> None:
    assert len(outputs) == len(steps())


@pytest.mark.parametrize("number", range(len(steps())))
def test_answer_is_the_one_that_is_shown(outputs: list[str], number: int) -> None:
    shown = steps()[number][1]
    pattern = ".*?".join(re.escape(part) for part in shown.split(VARIES))
    # No DOTALL: what differs stays within its line.
    assert re.fullmatch(pattern, outputs[number]), f"shown:\n{shown}\nprinted:\n{outputs[number]}"


def test_picture_that_is_uploaded_is_a_real_one() -> None:
    picture = (ROOT / "docs/example.jpg").read_bytes()
    assert (picture[:3], picture[-2:]) == (b"\xff\xd8\xff", b"\xff\xd9")


def test_commands_leave_no_bucket_behind(outputs: list[str], running: RunningService) -> None:
    assert [path.name for path in running.storage_path.iterdir()] == [".system"]
