"""Resolving an intent, and committing to the index: what the steps of an operation share with those of others."""

from tests.model.values import Change, Clause, Index, Intent, Record, Rules, State


def resolve(state: State, rules: Rules, intent: Intent) -> State:
    """Reconcile the row with the sidecar, turn the intent into pending_deletions, and touch nothing else."""
    sidecar, index, disk = state.disk.sidecar, state.index, state.disk
    state = state._replace(in_file_logs=state.in_file_logs - {intent})
    if not rules.keep(Clause.RECOVERY_LOOKS):
        return with_index(state, rules, index._replace(intents=index.intents - {intent}))
    former = index.row if rules.keep(Clause.RECOVERY_SCHEDULES_ROW) else None
    if sidecar is None and not rules.keep(Clause.RECOVERY_REMEMBERS_DELETED):
        former = None
    unnamed = blobs_of(former, intent) - blobs_of(sidecar)
    if rules.keep(Clause.RECOVERY_REMOVES_NOTHING):
        index = index._replace(pending_deletions=index.pending_deletions | unnamed)
    else:
        disk = disk.renamed(*(Change(blob, removes=True) for blob in unnamed & disk.blobs))
    if rules.commits_last and rules.keep(Clause.RECOVERY_SYNCED):
        disk = disk.synced()
    return with_index(state._replace(disk=disk), rules, index._replace(row=sidecar, intents=index.intents - {intent}))


def with_index(state: State, rules: Rules, index: Index) -> State:
    """Commit. What the index said before is kept only where a power cut could make somebody believe it."""
    if rules.keep(Clause.SIDECARS_DECIDE):
        return state._replace(index=index)
    return state._replace(index=index, past=state.past | {state.index})


def blobs_of(*named: Record | Intent | None) -> frozenset[str]:
    """Return the names of the bytes that these sidecars, rows and intents name."""
    return frozenset(one.blob for one in named if one is not None and one.blob is not None)
