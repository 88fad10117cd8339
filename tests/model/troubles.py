"""What happens beside the two processes: others recover and collect, and there is trouble.

What others do is done by any worker or by a start; both are the same steps. After a kill of everybody, the operations
that had not begun may begin: they are what clients send to the service that was started again.
"""

from collections.abc import Iterator

from tests.model.resolving import blobs_of, resolve, with_index
from tests.model.values import (
    IN_TRANSACTION,
    NAMES,
    OVER,
    At,
    Change,
    Clause,
    Collection,
    Disk,
    Index,
    Intent,
    Move,
    Process,
    Rules,
    Staging,
    State,
)


def chores(state: State, rules: Rules) -> Iterator[Move]:
    """Yield what others may do without being asked."""
    for number in range(len(NAMES)):
        yield from _recover_dead(state, rules, number)
    yield from _sweep(state, rules)
    if state.rebuild_read is not None and state.holder is None:
        (read,) = state.rebuild_read
        index = state.index._replace(row=read)
        yield "the rebuild writes the row that it read", with_index(state, rules, index)._replace(rebuild_read=None)


def troubles(state: State, rules: Rules) -> Iterator[Move]:
    """Yield what may go wrong beside a COMMIT that fails, and the rebuild that an operator asks for."""
    for number in range(len(NAMES)):
        yield from _kill_or_suspect(state, rules, number)
    if any(_active(process) for process in state.processes) or state.collect:
        yield "everybody is killed", _everybody_killed(state)
    yield from _power_cuts(state, rules)
    killed = _everybody_killed(state)
    yield "everybody is killed and the index is lost; rebuilt", _by_sidecars_alone(killed, rules, state.disk)
    if state.holder is None:
        rebuilt = _by_sidecars_alone(state, rules, state.disk)
        yield "the index is lost, and rebuilt beside writers", rebuilt
    yield from _rebuild(state, rules)


def _active(process: Process) -> bool:
    return process.at is not At.IDLE and process.at not in OVER


def _recover_dead(state: State, rules: Rules, number: int) -> Iterator[Move]:
    """Take its staging from a dead process, or is taken for that; then resolve its intent, under the lock."""
    process, intent = state.processes[number], state.intent_of(number)
    if not process.counts_as_dead:
        return
    name, fenced = NAMES[number], process.staging is Staging.GONE
    if not fenced and (intent is not None or process.staging is Staging.FULL or _active(process)):
        removed = state.with_process(number, process._replace(staging=Staging.GONE))
        yield f"the staging of {name} is removed", removed
    if intent is None or state.holder is not None:
        return
    if fenced or not rules.keep(Clause.STAGING_REMOVED_FIRST):
        yield f"the intent of {name} is resolved", resolve(state, rules, intent)
    if not rules.keep(Clause.STAGING_REMOVED_WHOLE) and _active(process):
        emptied = state.with_process(number, process._replace(staging=Staging.EMPTY))
        yield (
            f"the staging of {name} is emptied, not removed, and its intent resolved",
            resolve(emptied, rules, intent),
        )


def _sweep(state: State, rules: Rules) -> Iterator[Move]:
    """Sync the directory, look at the sidecar, remove the bytes unless named, clear the deletion."""
    collect, early = state.collect, not rules.keep(Clause.STRUCK_LAST)
    if collect is None:
        for blob in sorted(state.index.pending_deletions):
            yield f"the collection syncs the directory and looks whether {blob} is named", _look(state, rules, blob)
    elif early and not collect.cleared:
        if state.holder is None:
            yield (
                "the collection clears its pending deletion",
                _cleared(state, rules, collect, collect._replace(cleared=True)),
            )
    elif not collect.named and not collect.removed:
        disk = (
            state.disk.renamed(Change(collect.blob, removes=True)) if collect.blob in state.disk.blobs else state.disk
        )
        done = None if collect.cleared else collect._replace(removed=True)
        yield f"the collection removes {collect.blob}", state._replace(disk=disk, collect=done)
    elif state.holder is None:
        yield "the collection clears its pending deletion", _cleared(state, rules, collect, None)


def _look(state: State, rules: Rules, blob: str) -> State:
    disk = state.disk.synced() if rules.keep(Clause.SWEEP_SYNCED) else state.disk
    named = blob in blobs_of(disk.sidecar)
    return state._replace(disk=disk, collect=Collection(blob, named))


def _cleared(state: State, rules: Rules, collect: Collection, following: Collection | None) -> State:
    index = state.index._replace(pending_deletions=state.index.pending_deletions - {collect.blob})
    return with_index(state, rules, index)._replace(collect=following)


def _kill_or_suspect(state: State, rules: Rules, number: int) -> Iterator[Move]:
    process, name = state.processes[number], NAMES[number]
    if not _active(process):
        return
    holder = None if state.holder == number else state.holder
    killed = state.with_process(number, process.over(At.DEAD))
    yield f"{name} is killed", killed._replace(holder=holder)
    if process.declared_dead:
        return
    lost = rules.commits_last and process.at in IN_TRANSACTION
    suspected = state.with_process(number, process._replace(declared_dead=True, lock_lost=lost))
    what = f"{name} is declared dead, but lives"
    yield what, suspected._replace(holder=holder) if lost else suspected


def _everybody_killed(state: State) -> State:
    processes = tuple(process.over(At.DEAD) if _active(process) else process for process in state.processes)
    return state._replace(processes=processes, holder=None, collect=None, rebuild_read=None)


def _power_cuts(state: State, rules: Rules) -> Iterator[Move]:
    killed = _everybody_killed(state)._replace(unexplained=True)
    for disk in state.disk.after_power_cut():
        if rules.commits_last:
            yield f"the power is cut: {_seen(disk)}", killed._replace(disk=disk)
        elif rules.keep(Clause.SIDECARS_DECIDE):
            for in_file_logs in {killed.in_file_logs, frozenset[Intent]()}:
                cut = killed._replace(in_file_logs=in_file_logs)
                yield f"the power is cut: {_seen(disk)}, and decides", _by_sidecars_alone(cut, rules, disk)
        else:
            for index in state.past | {state.index}:
                what = f"the power is cut: {_seen(disk)}; in the index: {index.row}"
                yield what, killed._replace(disk=disk, index=index, past=frozenset())


def _seen(disk: Disk) -> str:
    return f"on the disk is {disk.sidecar}"


def _by_sidecars_alone(state: State, rules: Rules, disk: Disk) -> State:
    """Fill a new index from the sidecar, and schedule what lies beside bytes that it names for deletion."""
    state = _dead_fenced(state) if rules.keep(Clause.REBUILT_AFTER_FENCE) else state
    state = state._replace(disk=_synced_to_rebuild(disk, rules), past=frozenset(), unexplained=True)
    named = blobs_of(disk.sidecar)
    pending_deletions = disk.blobs - named if named & disk.blobs else frozenset[str]()
    return state._replace(index=Index(disk.sidecar, pending_deletions=pending_deletions))


def _rebuild(state: State, rules: Rules) -> Iterator[Move]:
    """Resolve every key, beside writers: under its lock, and all intents stay, so that who lives finds its own."""
    if not rules.keep(Clause.REBUILT_UNDER_LOCK):
        yield "a rebuild reads the sidecar", state._replace(rebuild_read=(state.disk.sidecar,))
    elif state.holder is None:
        row, index = state.disk.sidecar, state.index
        recorded = blobs_of(*index.intents) if rules.keep(Clause.REBUILT_SPARING_INTENDED) else frozenset[str]()
        unnamed = (blobs_of(index.row) | (state.disk.blobs - recorded)) - blobs_of(row)
        index = index._replace(row=row, pending_deletions=index.pending_deletions | unnamed)
        state = state._replace(disk=_synced_to_rebuild(state.disk, rules))
        yield "a rebuild reconciles the key", with_index(state, rules, index)


def _dead_fenced(state: State) -> State:
    """Take their staging from all that count as dead; of the dead nothing else can come."""
    for number, process in enumerate(state.processes):
        if process.counts_as_dead:
            staging = Staging.EMPTY if process.at is At.DEAD else Staging.GONE
            state = state.with_process(number, process._replace(staging=staging))
    return state


def _synced_to_rebuild(disk: Disk, rules: Rules) -> Disk:
    return disk.synced() if rules.commits_last and rules.keep(Clause.REBUILT_SYNCED) else disk
