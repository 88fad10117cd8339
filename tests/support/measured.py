"""A recorder of `host/measures.py` that keeps what it is told."""

from storage_app.host.measures import Duration, Event


class Kept:
    """All that happened in this process since it was installed."""

    def __init__(self) -> None:
        self.durations: list[tuple[Duration, float]] = []
        self.events: list[tuple[Event, str]] = []

    def observe(self, what: Duration, seconds: float) -> None:
        self.durations.append((what, seconds))

    def count(self, what: Event, outcome: str) -> None:
        self.events.append((what, outcome))

    def seconds(self, what: Duration) -> list[float]:
        return [seconds for each, seconds in self.durations if each is what]
