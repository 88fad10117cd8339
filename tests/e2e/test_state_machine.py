"""The real service against a dictionary: whatever is asked in whatever order, both hold the same.

Restarts, kills, a lost index and a rebuild are steps like any other. `--long`: many more of all, new ones every time.
"""

import itertools
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.support.comparison import CURRENT, OTHER, Condition
from tests.support.disruptions import DISRUPTIONS, begin_upload, leftovers, wait_until
from tests.support.folder_comparison import FolderComparison
from tests.support.service import RunningService, bearer

# Each takes seconds, so few examples have one.
MOST_DISRUPTIONS, MOST_DISRUPTIONS_LONG = 1, 20
# The first example of Hypothesis asks the simplest thing again and again, the second one is as it should be.
EXAMPLES, EXAMPLES_LONG = 2, 60
STEPS = 80

# Of connections: so any process may answer the next request, and none is open when the service stops, which would wait.
ONE_REQUEST_EACH = httpx.Limits(max_keepalive_connections=0)

# Few, so that most requests meet what others have left.
KEYS = st.sampled_from(["a", "a/b", "a/b/c.txt", "a0", "ж/%41?.txt"])
PREFIXES = st.sampled_from(["", "a", "a/", "a/b", "ж", "none"])
LETTERS = st.sampled_from("ab")
# Drawn as pieces and how often they are repeated, so that a long one is short where Hypothesis shows it.
CONTENTS = st.tuples(st.binary(min_size=1, max_size=20), st.sampled_from([0, 1, 2, 20_000]))
METADATA = st.dictionaries(st.sampled_from(["album", "название"]), st.integers(0, 9) | st.none(), max_size=2)
CACHE_CONTROL = st.sampled_from(["no-cache", "max-age=60"])
CONDITIONS = st.none() | st.sampled_from(
    [
        Condition("If-Match", CURRENT, of_file=True, of_none=False),
        Condition("If-Match", "*", of_file=True, of_none=False),
        Condition("If-Match", OTHER, of_file=False, of_none=False),
        Condition("If-None-Match", CURRENT, of_file=False, of_none=True),
        Condition("If-None-Match", "*", of_file=False, of_none=True),
        Condition("If-None-Match", OTHER, of_file=True, of_none=True),
    ]
)
OVERWRITE, FOLDERS = st.booleans(), st.booleans()
FORCE = st.sampled_from([False, False, False, False, True])  # seldom, so that buckets fill
LIMITS = st.integers(1, 4)
TO_ANOTHER_PLACE = {
    "key": KEYS,
    "to_letter": LETTERS,
    "to": KEYS,
    "metadata": st.none() | METADATA,
    "overwrite": OVERWRITE,
    "condition": CONDITIONS,
}
ALL_TO_ANOTHER_PLACE = {
    "prefix": PREFIXES,
    "to_letter": LETTERS,
    "to": st.sampled_from(["", "a", "a/", "b/", "ж/"]),
    "overwrite": OVERWRITE,
}
# What can be done, by the name of the method that does it, and what that takes besides a bucket's letter.
KINDS_OF_STEPS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "put": {"key": KEYS, "content": CONTENTS, "overwrite": OVERWRITE, "condition": CONDITIONS},
    "upload_form": {
        "key": KEYS,
        "content": CONTENTS,
        "metadata": METADATA,
        "cache": CACHE_CONTROL,
        "overwrite": OVERWRITE,
    },
    "edit": {"key": KEYS, "metadata": METADATA, "cache": st.none() | CACHE_CONTROL, "condition": CONDITIONS},
    "delete": {"key": KEYS, "condition": CONDITIONS},
    "delete_many": {"keys": st.lists(KEYS, min_size=1, max_size=3)},
    "delete_prefix": {"prefix": PREFIXES.filter(bool)},
    "copy": TO_ANOTHER_PLACE,
    "move": TO_ANOTHER_PLACE,
    "copy_prefix": ALL_TO_ANOTHER_PLACE,
    "move_prefix": ALL_TO_ANOTHER_PLACE,
    "download": {"key": KEYS},
    "archive": {"prefix": PREFIXES},
    "list_by_key": {"prefix": PREFIXES, "folders": FOLDERS, "limit": LIMITS},
    "list_by_creation": {"prefix": PREFIXES, "limit": LIMITS},
    "create_bucket": {},
    "delete_bucket": {"force": FORCE},
    "disrupt": {"key": KEYS},
}
CHANGES_OF_FILES = ("put", "upload_form", "edit", "delete")  # twice as often as others
ANY_STEP = st.one_of(
    [
        st.tuples(st.just(name), st.fixed_dictionaries(KINDS_OF_STEPS[name]))
        for name in (*KINDS_OF_STEPS, *CHANGES_OF_FILES)
    ]
)
# What each run must have done, or it shows little.
TO_BE_DONE = {"upload", "overwrite", "edit", "delete", "delete many", "copy", "move", "copy many", "move many"}


class Machine(RuleBasedStateMachine):
    """Requests and disruptions in any order; the buckets of each example have names of their own."""

    running: ClassVar[RunningService]
    http: ClassVar[httpx.Client]
    to_come: ClassVar[deque[str]]  # disruptions, by name
    done: ClassVar[Counter[str]]
    examples: ClassVar[Iterator[int]] = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.compared = FolderComparison(self.http, f"example-{next(self.examples)}-")

    # Drawn, or else the second example would differ from the first by being over here.
    @initialize(letter=LETTERS)
    def begin_with_files(self, letter: str) -> None:
        self.fill(letter)
        # Each change once at least: of those that are drawn, many are refused.
        self.compared.put(letter, "a", b"again", overwrite=True, condition=None)
        self.compared.edit(letter, "a", {"edited": 1}, None, None)
        self.compared.copy(letter, "a", letter, "a/b/c.txt", metadata={"n": 1}, overwrite=False, condition=None)
        self.compared.move(letter, "a", letter, "ж/%41?.txt", metadata=None, overwrite=False, condition=None)
        self.compared.copy_prefix(letter, "a/", letter, "b/", overwrite=False)
        self.compared.move_prefix(letter, "b/", letter, "c/", overwrite=False)
        self.compared.delete(letter, "a0", None)
        self.compared.delete_many(letter, ["a/b/c.txt"])

    # One rule for all: of several, Hypothesis leaves out some at random in each example, and there are few examples.
    @rule(step=ANY_STEP, letter=LETTERS)
    def do(self, step: tuple[str, dict[str, Any]], letter: str) -> None:
        name, arguments = step
        if "content" in arguments:
            piece, times = arguments["content"]
            arguments = arguments | {"content": piece * times}
        getattr(self if name == "disrupt" else self.compared, name)(letter, **arguments)

    def disrupt(self, letter: str, key: str) -> None:
        """Take the next disruption, once a deleted file could come back.

        A kill finds an upload to the key on its way, where there is such a bucket.
        """
        if not self.to_come or not self.compared.done["delete"]:
            return
        name = self.to_come.popleft()
        upload = begin_upload(self.running, self.compared.path("files/upload-direct", letter, key))
        with upload if name.startswith("kill") and letter in self.compared.model else nullcontext():
            DISRUPTIONS[name](self.running)

    @invariant()
    def lists_and_totals_are_the_same(self) -> None:
        self.compared.lists_and_totals_are_the_same()

    def teardown(self) -> None:
        """Disrupt it, if that is still to come; then every file is there with its bytes, nothing unfinished is."""
        self.fill("b")
        self.disrupt("b", "a")
        self.lists_and_totals_are_the_same()
        self.done.update(self.compared.done)
        self.compared.download_and_delete_everything()
        wait_until(lambda: leftovers(self.running) == [])

    def fill(self, letter: str) -> None:
        """See to it that there is the bucket, with files in it."""
        self.compared.create_bucket(letter)
        for key in ("a", "a/b", "a0"):
            self.compared.put(letter, key, key.encode(), overwrite=False, condition=None)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    service = RunningService(tmp_path_factory.mktemp("machine") / "store")
    with service:
        yield service
        assert "Traceback" not in service.log()


@pytest.mark.parametrize("first", DISRUPTIONS)
def test_service_and_dictionary_hold_the_same(running: RunningService, first: str, long: bool) -> None:
    # Nothing is tried again in a smaller form: that would take minutes, on a store that is no longer the same.
    chosen = settings(
        max_examples=EXAMPLES_LONG if long else EXAMPLES,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    number = list(DISRUPTIONS).index(first)
    in_turn = itertools.islice(itertools.cycle(DISRUPTIONS), number, None)
    to_come = itertools.islice(in_turn, MOST_DISRUPTIONS_LONG if long else MOST_DISRUPTIONS)
    with httpx.Client(base_url=running.url, headers=bearer(), timeout=30, limits=ONE_REQUEST_EACH) as http:
        fields = {"running": running, "http": http, "to_come": deque(to_come), "done": Counter()}
        machine: type[Machine] = type("Machine", (Machine,), fields)
        run_state_machine_as_test(machine if long else seed(number)(machine), settings=chosen)
    assert not machine.to_come
    assert machine.done.keys() >= TO_BE_DONE
