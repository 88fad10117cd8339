"""The intent log of a process as rows in the index, where every host sees them."""

from collections.abc import Sequence

from ..domain.intents import Intent
from ..errors import Unavailable
from ..index import Index, Transaction, Work


class TableLog:
    """The `IntentLog` of one process in the index. An intent in it is cleared by the COMMIT of its change."""

    def __init__(self, index: Index, process: str) -> None:
        self._index = index
        self._process = process

    def record(self, intent: Intent, check: Work | None) -> None:
        def work(transaction: Transaction) -> None:
            if check is not None:
                check(transaction)
            transaction.add_intent(intent)

        self._index.write_grouped(work)

    def record_all(self, intents: Sequence[Intent]) -> None:
        """Record `intents` in one transaction."""
        self._index.write_grouped(lambda transaction: transaction.add_intents(intents))

    def update(self, intent: Intent, check: Work | None) -> None:
        with self._index.write() as transaction:
            if self.current(transaction, intent) is None:
                raise declared_dead()
            if check is not None:
                check(transaction)
            transaction.change_intent(intent)

    def current(self, transaction: Transaction, intent: Intent) -> Intent | None:
        return transaction.intent(intent.id)

    def clear_in(self, transaction: Transaction, intent: Intent) -> None:
        transaction.clear_intent(intent)

    def finish(self, intent: Intent) -> None:
        """Do nothing: the COMMIT has cleared it."""

    def clear(self, intent: Intent) -> None:
        with self._index.write() as transaction:
            transaction.clear_intent(intent)

    def open_intents(self) -> list[Intent]:
        return self._index.intents_of(self._process)


def declared_dead() -> Unavailable:
    """Return the error for a change whose intent another process has resolved."""
    return Unavailable("The write was given up because this process was declared dead; try again.")
