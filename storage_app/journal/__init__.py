"""How a change becomes durable, or is recovered: a write-ahead log of intents, and one commit.

The protocol, on one page. The sidecar of a key is the truth, and its row in the index a cache of it.

1.  **Record** an intent: which process is about to change which key, and the blob that it is about to write. If the
    bucket has a quota, the intent reserves the blob's size. (`log`)
2.  **Stage** the blob and the sidecar, and sync both. (`blobstore`)
3.  **Commit**, in one transaction that holds the locks of its keys, taken in one global order (`attempt`, `commit`):
    a.  the intent must still be there: if it is not, another process declared this one dead;
    b.  intents of dead processes on these keys are resolved, and rows that contradict their sidecars are reconciled,
        each in a transaction of its own, because (c) may refuse and roll back;
    c.  the caller decides by what is there now: rights, conditions, quota;
    d.  the blob is renamed into place, then the sidecar over the old one. That rename is the commit. A delete renames
        the sidecar away instead;
    e.  the row is switched, the replaced blob scheduled for deletion, the intent cleared, the change emitted.
4.  **Sync** the directory, before the COMMIT or after it, as the database says. Only then the client is answered.

**Recovery** (`recovery`) resolves the intents of dead processes, and of transactions that failed or whose outcome is
unknown. It never undoes: it reads the sidecar again, reconciles the row (`reconcile`), and schedules the blob that the
sidecar does not name for deletion. It removes no blob, and touches no sidecar but one, so it may run late, or twice.

**A move** changes two keys with one intent, which names both. Its commit places the file at the destination, syncs that
directory, and then renames the sidecar of the source away. If it is cut short in between, recovery takes the last step,
unless the source has another version by then. So that nobody gives it one, whoever locks one of the two keys and finds
the file at the destination finishes the move first.

**Fencing** (`liveness`). Before a dead process's intents are resolved, its staging directory is renamed away, so that
no late rename of it can land. A process that was declared dead by mistake loses its writes in progress, and no more.

A bucket is changed like a key, with `.bucket.json` as its sidecar.
"""
