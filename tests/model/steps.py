"""The steps of a write, an edit and a delete, each as the states that may come next.

What cannot be seen from outside a process is one step; where a kill or another process can come between, there are two.
Looks that decide nothing, such as the refusals before the first byte, are left out. A COMMIT may fail, and may be
reported as failed though it happened, in a process that lives on: that is `trouble`, as are kills and power cuts.
"""

from collections.abc import Iterator

from tests.model.resolving import blobs_of, resolve, with_index
from tests.model.values import (
    NAMES,
    OVER,
    UNDECIDED,
    At,
    Change,
    Clause,
    Disk,
    Index,
    Intent,
    Move,
    Operation,
    Process,
    Record,
    Refused,
    Rules,
    Staging,
    State,
)


def moves_of(state: State, rules: Rules, number: int) -> Iterator[Move]:
    """Yield what process `number` may do next, each as a sentence and the state after it."""
    name, operation = NAMES[number], rules.operations[number]
    for did, after in _next(state, rules, number):
        yield f"{name} ({operation}) {did}", after


def troubles_of(state: State, rules: Rules, number: int) -> Iterator[Move]:
    """Yield the COMMITs of process `number` that fail, or seem to, while it lives on."""
    name, process = NAMES[number], state.processes[number]
    failed = state.with_process(number, _given_up(process, At.FAILED))
    if process.at is At.IDLE and rules.keep(Clause.RECORDED) and not rules.intents_in_file_log(number):
        recorded = _record(state, rules, number)
        happened = recorded.with_process(number, recorded.processes[number]._replace(at=At.FAILED))
        yield f"{name} is told that the COMMIT of its intent failed, but it happened", happened
    if process.at is At.DECIDED and rules.operations[number] is Operation.DELETE_OF_MANY:
        yield f"another key of the commit of {name} fails", _rolled_back(state, number)
    if process.at is At.PLACED and state.holder == number:
        yield f"the COMMIT of {name} fails", _synced_to_commit(failed, rules)._replace(holder=None)
        happened = _committed(_synced_to_commit(failed, rules), rules, number, process)
        yield f"{name} is told that its COMMIT failed, but it happened", happened


def _next(state: State, rules: Rules, number: int) -> Iterator[Move]:
    at = state.processes[number].at
    if at is At.IDLE:
        yield "records what it will do", _record(state, rules, number)
    elif at is At.RECORDED and not rules.operations[number].deletes:
        yield _stage(state, rules, number)
    elif at is At.STAGED and not rules.keep(Clause.DECIDED_FIRST):
        yield "places what it staged, undecided", _place_undecided(state, number)
    elif at in UNDECIDED:
        if state.holder is None or not rules.keep(Clause.LOCK):
            yield _reconcile(state, rules) if _must_agree(state, rules, number) else _decide(state, rules, number)
    elif at not in OVER:
        yield from _next_decided(state, rules, number)


def _next_decided(state: State, rules: Rules, number: int) -> Iterator[Move]:
    match state.processes[number].at:
        case At.DECIDED | At.BYTES_PLACED:
            yield _place(state, rules, number)
        case At.PLACED:
            yield _commit(state, rules, number)
        case At.COMMITTED:
            yield "is answered 2xx, its directory synced", _answer(state, rules, number)
        case At.REFUSING | At.FAILED:
            yield from _resolve_own(state, rules, number)


def _record(state: State, rules: Rules, number: int) -> State:
    """A write intents the bytes that it brings, a delete those that it takes away, an edit none."""
    blob: str | None = NAMES[number]
    if rules.operations[number].deletes:
        blob = state.index.row.blob if state.index.row else None
    elif rules.operations[number] is Operation.EDIT:
        blob = None
    other = state.processes[1 - number]
    process = state.processes[number]._replace(at=At.RECORDED, after_other=other.at in OVER)
    state = state.with_process(number, process)
    if not rules.keep(Clause.RECORDED):
        return state
    intent = Intent(number, blob)
    if rules.intents_in_file_log(number):
        return state._replace(in_file_logs=state.in_file_logs | {intent})
    return with_index(state, rules, state.index._replace(intents=state.index.intents | {intent}))


def _stage(state: State, rules: Rules, number: int) -> Move:
    """Stage bytes and sidecar, made from the row; nobody else can see them."""
    process = state.processes[number]
    if process.staging is Staging.GONE:
        return "cannot stage: its staging is gone", state.with_process(number, _given_up(process, At.FAILED))
    try:
        staged = rules.outcome(number, state.index.row)
    except Refused:  # decided later, and for good
        staged = None
    process = process._replace(at=At.STAGED, staging=Staging.FULL, staged=staged)
    return "stages and syncs what it brings", state.with_process(number, process)


def _must_agree(state: State, rules: Rules, number: int) -> bool:
    """Whether the row contradicts a sidecar that is there, and no intent in the index is resolved first."""
    if state.disk.sidecar in (state.index.row, None) or state.processes[number].at is At.PLACED_UNDECIDED:
        return False
    return rules.keep(Clause.AGREED) and _fence_other(state, rules, number)[1] is None


def _reconcile(state: State, rules: Rules) -> Move:
    """Reconcile the row, in a transaction of its own: what is decided may be a refusal, and be undone."""
    unnamed = blobs_of(state.index.row) - blobs_of(state.disk.sidecar)
    state = _synced_to_commit(state, rules)
    index = state.index._replace(row=state.disk.sidecar, pending_deletions=state.index.pending_deletions | unnamed)
    return "reconciles the row with the sidecar", with_index(state, rules, index)


def _decide(state: State, rules: Rules, number: int) -> Move:
    """Begin the transaction, which is the key's lock, and judge against the sidecar."""
    process = state.processes[number]
    claims = rules.keep(Clause.OWN_INTENT) and rules.keep(Clause.RECORDED) and not rules.intents_in_file_log(number)
    if claims and state.index.intent_of(number) is None:
        return "does not find its intent: 5xx", state.with_process(number, process.over(At.UNKNOWN))
    state, puts_right = _fence_other(state, rules, number)
    placed = process.at is At.PLACED_UNDECIDED
    current = state.index.row if placed else state.disk.sidecar
    try:
        result = rules.outcome(number, current)
    except Refused:
        return "decides to refuse", state.with_process(number, _given_up(process, At.REFUSING))
    if not rules.keep(Clause.RESTAGED) and process.staged is not None:
        result = process.staged
    at = At.PLACED if placed else At.DECIDED
    process = process._replace(at=at, staged=result, current=current, puts_right=puts_right)
    return "decides to go on", state.with_process(number, process)._replace(holder=number)


def _fence_other(state: State, rules: Rules, number: int) -> tuple[State, Intent | None]:
    """Take its staging from the other process if that is dead and has an intent on this key; return that intent."""
    other, intent = state.processes[1 - number], state.index.intent_of(1 - number)
    if intent is None or not other.counts_as_dead or not rules.keep(Clause.DEAD_RESOLVED_BY_WRITER):
        return state, None
    if rules.keep(Clause.STAGING_REMOVED_FIRST):
        state = state.with_process(1 - number, other._replace(staging=Staging.GONE))
    return state, intent


def _place(state: State, rules: Rules, number: int) -> Move:
    """Place bytes, then sidecar, or rename the sidecar away: each one rename, which fails without the staging."""
    process = state.processes[number]
    if rules.operations[number].deletes:
        return _remove(state, rules, number)
    if process.staging is not Staging.FULL:
        return "cannot rename: its staging is gone", _rolled_back(state, number)
    sidecar_next = process.at is At.BYTES_PLACED or rules.operations[number] is Operation.EDIT
    if not rules.keep(Clause.BYTES_FIRST) and rules.operations[number] is not Operation.EDIT:
        sidecar_next = process.at is At.DECIDED
    last = process.at is At.BYTES_PLACED or rules.operations[number] is Operation.EDIT
    process = process._replace(at=At.PLACED if last else At.BYTES_PLACED)
    if last:
        process = process._replace(staging=Staging.EMPTY)
    state = state.with_process(number, process)
    if not sidecar_next:
        return "renames its bytes into place", state._replace(disk=_bytes_placed(state.disk, rules, NAMES[number]))
    disk = _sidecar_placed(state.disk, rules, process)
    return "renames its sidecar into place", state._replace(disk=disk)


def _remove(state: State, rules: Rules, number: int) -> Move:
    process = state.processes[number]
    if process.current is None:
        return "finds nothing to rename away", state.with_process(number, process._replace(at=At.PLACED))
    if rules.keep(Clause.DELETED_BY_WAY_OF_STAGING) and process.staging is Staging.GONE:
        return "cannot rename the sidecar away: its staging is gone", _rolled_back(state, number)
    state = state.with_process(number, process._replace(at=At.PLACED, staging=Staging.FULL))
    return "renames the sidecar away", state._replace(disk=_sidecar_placed(state.disk, rules, process))


def _bytes_placed(disk: Disk, rules: Rules, blob: str) -> Disk:
    unsynced = disk.unsynced if rules.keep(Clause.BYTES_SYNCED) else disk.unsynced | {blob}
    return disk.renamed(Change(blob))._replace(unsynced=unsynced)


def _sidecar_placed(disk: Disk, rules: Rules, process: Process) -> Disk:
    if not rules.keep(Clause.SIDECAR_SYNCED) and process.staged is not None:
        disk = disk._replace(unsynced=disk.unsynced | {process.staged})
    disk = disk.renamed(Change(sidecar=process.staged))
    if rules.keep(Clause.REPLACED_STAYS):
        return disk
    replaced = blobs_of(process.current) - blobs_of(process.staged)
    return disk.renamed(*(Change(blob, removes=True) for blob in replaced))


def _place_undecided(state: State, number: int) -> State:
    process = state.processes[number]
    disk = state.disk.renamed(Change(NAMES[number]), Change(sidecar=process.staged or Record(NAMES[number], "?")))
    return state.with_process(number, process._replace(at=At.PLACED_UNDECIDED))._replace(disk=disk)


def _commit(state: State, rules: Rules, number: int) -> Move:
    """Where a COMMIT lasts, the directory is synced before it, and the answer follows at once; else both come later."""
    process = state.processes[number]
    if process.lock_lost:
        return "cannot COMMIT: its session is lost", _rolled_back(state, number)
    state = _synced_to_commit(state, rules)
    if rules.commits_last and rules.keep(Clause.SYNCED_BEFORE_COMMIT):
        state = state.with_process(number, process.over(At.DONE))
        return "syncs its directory, COMMITs and is answered 2xx", _committed(state, rules, number, process)
    state = state.with_process(number, process._replace(at=At.COMMITTED, staging=Staging.EMPTY))
    return "COMMITs", _committed(state, rules, number, process)


def _synced_to_commit(state: State, rules: Rules) -> State:
    if rules.commits_last and rules.keep(Clause.SYNCED_BEFORE_COMMIT):
        return state._replace(disk=state.disk.synced())
    return state


def _committed(state: State, rules: Rules, number: int, process: Process) -> State:
    """Reconcile the row, switch it, schedule the replaced bytes for deletion, clear the intent."""
    index = state.index
    former = index.row if rules.keep(Clause.AGREED) else None
    unnamed = blobs_of(process.current, former, process.puts_right)
    if process.current is None and not rules.keep(Clause.RECOVERY_REMEMBERS_DELETED):
        unnamed = blobs_of(process.puts_right)
    if not rules.keep(Clause.REPLACED_STAYS):
        unnamed -= blobs_of(process.current)
    cleared = {index.intent_of(number), process.puts_right}
    intents = frozenset(intent for intent in index.intents if intent not in cleared)
    index = Index(process.staged, intents, index.pending_deletions | (unnamed - blobs_of(process.staged)))
    return with_index(state, rules, index)._replace(holder=None)


def _answer(state: State, rules: Rules, number: int) -> State:
    if rules.keep(Clause.SYNCED_BEFORE_ANSWER):
        state = state._replace(disk=state.disk.synced())
    in_file_logs = frozenset(intent for intent in state.in_file_logs if intent.process != number)
    return state.with_process(number, state.processes[number].over(At.DONE))._replace(in_file_logs=in_file_logs)


def _given_up(process: Process, at: At) -> Process:
    staging = Staging.GONE if process.staging is Staging.GONE else Staging.EMPTY
    return Process(at, staging, after_other=process.after_other, declared_dead=process.declared_dead)


def _rolled_back(state: State, number: int) -> State:
    holder = None if state.holder == number else state.holder
    return state.with_process(number, _given_up(state.processes[number], At.FAILED))._replace(holder=holder)


def _resolve_own(state: State, rules: Rules, number: int) -> Iterator[Move]:
    """After a refusal, or a transaction that failed or may have. What fails here is tried again, so it is no step."""
    process, intent = state.processes[number], state.intent_of(number)
    at = At.REFUSED if process.at is At.REFUSING else At.UNKNOWN
    answer = "is answered 4xx" if at is At.REFUSED else "is answered 5xx"
    over = state.with_process(number, process.over(at))
    if process.at is At.FAILED and not rules.keep(Clause.FAILED_IS_RESOLVED):
        yield answer, over
    elif intent in state.in_file_logs and at is At.REFUSED:
        yield f"strikes its intent and {answer}", over._replace(in_file_logs=over.in_file_logs - {intent})
    elif intent is None:
        yield f"finds nothing to resolve and {answer}", over
    elif state.holder is None:
        yield f"resolves its intent and {answer}", resolve(over, rules, intent)
