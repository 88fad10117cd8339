"""Intent logs: the port, and the rule that decides which of a process's two logs takes an intent."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ..domain.intents import Intent, IntentKind
from ..index import Index, Transaction, Work
from .file_log import FileLogs
from .table_log import TableLog, declared_dead


class IntentLog(Protocol):
    """The place where one process records its intents. A recorded intent is open until it is cleared.

    An open intent survives a kill of the process, and other processes can read it. Methods may be called from several
    threads. They raise `InsufficientStorage` and `Unavailable`.
    """

    def record(self, intent: Intent, check: Work | None) -> None:
        """Record `intent`. `check` may refuse it. A log that takes a check records in the transaction of the check."""

    def update(self, intent: Intent, check: Work | None) -> None:
        """Replace the open intent with this id. `check` may refuse; then the intent stays as it was.

        Raises `Unavailable` if the log is part of the index and the intent is not open any more.
        """

    def current(self, transaction: Transaction, intent: Intent) -> Intent | None:
        """Return the open intent with this id as `transaction` sees it, or None if it is not open."""

    def clear_in(self, transaction: Transaction, intent: Intent) -> None:
        """Clear `intent` with the COMMIT of `transaction`, if the log is part of the index."""

    def finish(self, intent: Intent) -> None:
        """Clear `intent` after that COMMIT, if the log is not part of the index."""

    def clear(self, intent: Intent) -> None:
        """Clear `intent`, whose change was not made. Does nothing if it is not open."""

    def open_intents(self) -> list[Intent]:
        """Return the open intents of this process."""


class IntentLogs:
    """The two intent logs of this process, the intents that its threads hold, and the logs of other processes."""

    def __init__(self, index: Index, directory: Path, *, process: str) -> None:
        self.process = process
        self.files = FileLogs(directory)
        self._index = index
        self._table = TableLog(index, process)
        self._file = self.files.of(process)
        self._held: dict[str, IntentLog] = {}

    def taking(self, intent: Intent, *, is_checked: bool) -> IntentLog:
        """Return the log that takes `intent`. This is the one rule.

        The file takes a write that needs no check, unless other hosts use the index: its sidecar alone shows its
        outcome. All other intents go into the table. The intent of a delete explains a missing sidecar, and a check
        (for a quota) needs a transaction.
        """
        if intent.kind is IntentKind.WRITE and not is_checked and not self._index.is_shared:
            return self._file
        return self._table

    def record(self, intent: Intent, check: Work | None) -> IntentLog:
        """Record `intent` in the log that takes it, and hold it. The caller must `release` it, also after a failure."""
        log = self._held[intent.id] = self.taking(intent, is_checked=check is not None)
        log.record(intent, check)
        return log

    def record_all(self, intents: Sequence[Intent]) -> None:
        """Record `intents` in the table, in one transaction, and hold them. Release each as after `record`."""
        self._held.update(dict.fromkeys((intent.id for intent in intents), self._table))
        self._table.record_all(intents)

    def release(self, intent: Intent) -> None:
        """Stop holding `intent`. If it is still open, any thread may resolve it from now on."""
        self._held.pop(intent.id, None)

    def is_held(self, intent: Intent) -> bool:
        """Return whether a thread of this process is working on `intent`."""
        return intent.id in self._held

    def of(self, intent: Intent) -> IntentLog:
        """Return the log of an intent that is held, or that was found in the index."""
        return self._held.get(intent.id, self._table)

    def claim(self, transaction: Transaction, intent: Intent, found: Collection[str] = ()) -> None:
        """Make sure that `intent` is open: its id is `found` in the index, or its log has it.

        Raises `Unavailable` if this process was declared dead.
        """
        if intent.id not in found and self.of(intent).current(transaction, intent) is None:
            raise declared_dead()

    def clear_in(self, transaction: Transaction, intents: Sequence[Intent]) -> None:
        """Clear `intents` with the COMMIT of `transaction`, as far as they are in the index."""
        in_index = [intent for intent in intents if self.of(intent) is self._table]
        if len(in_index) > 1:
            transaction.clear_intents(in_index)
        for intent in in_index[:1]:
            transaction.clear_intent(intent)

    def abandoned(self) -> Iterator[tuple[IntentLog, Intent]]:
        """Yield the open intents of this process that no thread holds any more, with their logs."""
        for log in (self._table, self._file):
            for intent in log.open_intents():
                if not self.is_held(intent):
                    yield log, intent

    def processes(self) -> set[str]:
        """Return the ids of all processes that have open intents."""
        return {*self._index.processes_with_intents(), *self.files.processes()}

    def count_open(self) -> int:
        """Return the number of open intents of all processes."""
        return self._index.count_intents() + sum(1 for _ in self.files.open_intents())

    def explains(self, bucket_uid: str, blob: str) -> bool:
        """Return whether an open intent in any log, or a pending deletion, names this blob."""
        in_files = any((intent.bucket_uid, intent.blob) == (bucket_uid, blob) for intent in self.files.open_intents())
        return in_files or self._index.explains(bucket_uid, blob)

    def notify_of(self, bucket_uid: str, blob: str) -> str | None:
        """Return what the uploader of a blob wants to be told, if an intent in a file names the blob."""
        for intent in self.files.open_intents():
            if (intent.bucket_uid, intent.blob) == (bucket_uid, blob):
                return intent.notify
        return None

    def probe(self) -> None:
        """Record an empty intent in the file log and clear it, if writes use that log. Raises as they would."""
        if self.taking(Intent("", IntentKind.WRITE, "", None), is_checked=False) is self._file:
            self._file.probe()

    def close(self) -> None:
        """Close the file log, and remove it unless it leaves open intents for others to resolve."""
        if self._file.close():
            self.files.remove(self.process)
