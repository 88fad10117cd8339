"""A move keeps every promise beside any other change of its keys, and each of its clauses is there for a reason.

Run with `-rP` or `-s` to read the shortest way to each loss, and with `--long` for one trouble more.
"""

import pytest

from tests.model.moves import Change, Clause, Rules, violation

MAY_LOSE, LASTS = False, True
# As many as are there now, less a little: a model that forgot a step or a trouble would have far fewer.
LEAST_STATES = {2: 4_000, 3: 6_000}

TAKEN_OUT = [
    # clause  index  B's change  troubles  what it says
    (Clause.RECORDED_IN_INDEX, MAY_LOSE, Change.EDIT_SOURCE, 1, "the intent is in the index, where others see it"),
    (Clause.LOCKED, LASTS, Change.EDIT_SOURCE, 0, "both keys are locked from deciding to COMMIT"),
    (Clause.TARGET_FIRST, MAY_LOSE, Change.CREATE_TARGET, 1, "the destination is placed before the source is removed"),
    (Clause.TARGET_SYNCED, LASTS, Change.CREATE_TARGET, 1, "and it is synced before"),
    (Clause.SOURCE_SYNCED, MAY_LOSE, Change.CREATE_TARGET, 1, "the source is synced before the answer"),
    (Clause.FENCED, LASTS, Change.OVERWRITE_SOURCE, 1, "a sidecar is removed by way of staging"),
    (Clause.ROLLED_FORWARD, MAY_LOSE, Change.CREATE_TARGET, 1, "recovery removes the source of a move that was placed"),
    (Clause.ROLLED_FORWARD_SYNCED, MAY_LOSE, Change.CREATE_TARGET, 2, "recovery syncs both"),
    (Clause.FINISHED_FIRST, LASTS, Change.EDIT_SOURCE, 1, "who locks a key of it finishes a move first"),
]


@pytest.mark.slow
def test_no_order_of_a_move_and_another_change_breaks_a_promise(long: bool) -> None:
    troubles, states = 3 if long else 2, 0
    for change in Change:
        for commits_last in (MAY_LOSE, LASTS):
            count, way = violation(Rules(change, commits_last), most_troubles=troubles)
            assert way is None, f"{change}, {commits_last}:\n" + "\n".join(way)
            states += count
    assert states > LEAST_STATES[troubles]


@pytest.mark.parametrize(("clause", "commits_last", "change", "troubles", "says"), TAKEN_OUT)
def test_something_is_lost_without_the_clause(
    clause: Clause, commits_last: bool, change: Change, troubles: int, says: str
) -> None:
    _, way = violation(Rules(change, commits_last, frozenset({clause})), most_troubles=troubles)
    assert way is not None, f"nothing is lost where it does not hold that {says}"
    print(f"Without the clause that {says}:\n" + "\n".join(way))  # noqa: T201  read it with -rP


@pytest.mark.parametrize("commits_last", [MAY_LOSE, LASTS])
def test_version_that_was_not_moved_would_be_lost_if_a_move_were_not_finished_first(commits_last: bool) -> None:
    """The two clauses guard each other: while one holds, this change loses nothing without the other."""
    first, version = Clause.FINISHED_FIRST, Clause.ONLY_THE_VERSION_MOVED
    for without in ({first}, {version}):
        rules = Rules(Change.OVERWRITE_SOURCE, commits_last, frozenset(without))
        assert violation(rules, most_troubles=1)[1] is None
    rules = Rules(Change.OVERWRITE_SOURCE, commits_last, frozenset({first, version}))
    assert violation(rules, most_troubles=1)[1] is not None


def test_every_clause_is_in_the_table() -> None:
    assert {row[0] for row in TAKEN_OUT} == set(Clause) - {Clause.ONLY_THE_VERSION_MOVED}
