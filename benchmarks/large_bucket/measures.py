"""The measurements, each of the large and the small store in turn, so that what disturbs one disturbs the other."""

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ..figures import Figure, Limit, Spread, Table, percentile
from ..service import Service
from .clients import InProcess, OverHttp
from .crash import kill_in_the_middle
from .questions import Questions, Timings, ask_in_turn
from .rebuild import Rebuild, rebuild
from .stores import MeasuredStore

CLEAN_START = Limit(2, of_ratio=False)
KILLED_START = Limit(5, of_ratio=False)
SAME_COST = Limit(1.5, of_ratio=True)
FLAT_MEMORY = Limit(1.25, of_ratio=True)

_SIDES = ("large", "small")
_LARGEST_PAGE = 100
_REQUESTS_WITHOUT = 400  # for the latency without a rebuild


@dataclass(frozen=True, slots=True)
class Pair:
    """The two stores that are compared, and how often."""

    large: MeasuredStore
    small: MeasuredStore
    rounds: int

    @property
    def page(self) -> int:
        """How many files a page has: the same in both stores, and fewer than there are in the small one."""
        return min(_LARGEST_PAGE, self.small.count // 10)

    def __iter__(self) -> Iterator[MeasuredStore]:
        return iter((self.large, self.small))


def starts(pair: Pair) -> Sequence[Table]:
    """Start after a clean stop, and after a kill in the middle of uploads."""
    clean: tuple[list[float], list[float]] = ([], [])
    killed: tuple[list[float], list[float]] = ([], [])
    for _, (side, store) in itertools.product(range(pair.rounds), enumerate(pair)):
        with Service(store.environment) as service:
            clean[side].append(service.start())
            kill_in_the_middle(store, service)
            killed[side].append(service.start())
            service.stop()
    figures = [
        Figure.of("after a clean stop", *clean, CLEAN_START),
        Figure.of("after kill -9 of everything", *killed, KILLED_START),
    ]
    return [Table("Start until /health answers, seconds", _SIDES, figures)]


def in_process(pair: Pair) -> Sequence[Table]:
    """Ask the services in this process."""
    rounds = []
    for _ in range(pair.rounds):
        with ExitStack() as stack:
            clients = [InProcess(store, stack.enter_context(store.opened())) for store in pair]
            rounds.append(ask_in_turn(clients, pair.page))
    return [_compared("In process, milliseconds", rounds)]


def over_http(pair: Pair) -> Sequence[Table]:
    """Ask running services, over a new connection each round."""
    rounds = []
    with ExitStack() as stack:
        services = [(store, stack.enter_context(_started(store))) for store in pair]
        for _ in range(pair.rounds):
            with ExitStack() as connections:
                clients = [
                    connections.enter_context(OverHttp(store, service.connection())) for store, service in services
                ]
                rounds.append(ask_in_turn(clients, pair.page))
    return [_compared("Over HTTP, milliseconds", rounds)]


def rebuilds(pair: Pair) -> Sequence[Table]:
    """Rebuild with the service stopped."""
    return [_rebuilt("Rebuild, the service stopped", pair, rebuild(pair.large), rebuild(pair.small))]


def rebuilds_beside(pair: Pair) -> Sequence[Table]:
    """Rebuild beside a running service that is asked one question after the other, with short pauses."""
    large, without, meanwhile = _rebuilt_beside(pair.large, pair.page, before=_REQUESTS_WITHOUT)
    small, _, _ = _rebuilt_beside(pair.small, pair.page, before=0)
    latencies = [
        Figure.of(f"{name}, {what}", [of(meanwhile[name])], [of(without[name])])
        for name in without
        for what, of in (("median", _milliseconds(0.5)), ("p99", _milliseconds(0.99)))
    ]
    return [
        _rebuilt("Rebuild beside a service under requests", pair, large, small),
        Table("Requests meanwhile, large, milliseconds", ("meanwhile", "without"), latencies),
    ]


def _rebuilt_beside(store: MeasuredStore, limit: int, *, before: int) -> tuple[Rebuild, Timings, Timings]:
    """Return what it took, and what requests took: as many as `before` without it, and those meanwhile."""
    with _started(store) as service, OverHttp(store, service.connection()) as client:
        without, meanwhile = Questions(client, limit), Questions(client, limit)
        for _ in range(before):
            without.ask_on()
        without.end_set()
        rebuilt = rebuild(store, meanwhile.ask_on)
        meanwhile.end_set()
        return rebuilt, without.timings_by_kind(), meanwhile.timings_by_kind()


def _rebuilt(title: str, pair: Pair, large: Rebuild, small: Rebuild) -> Table:
    figures = [
        Figure.of("seconds", [large.seconds], [small.seconds]),
        Figure.of("files a second", [pair.large.count / large.seconds], [pair.small.count / small.seconds]),
        Figure.of("peak memory, MiB", [large.peak_mib], [small.peak_mib], FLAT_MEMORY),
    ]
    return Table(title, _SIDES, figures)


def _compared(title: str, rounds: Sequence[Sequence[Timings]]) -> Table:
    """Compare the large and the small store, round by round."""
    median = _milliseconds(0.5)
    figures = []
    for name in rounds[0][0]:
        sides = [(large[name], small[name]) for large, small in rounds]
        figures.append(
            Figure(
                name,
                Spread.of([median(large) for large, _ in sides]),
                Spread.of([median(small) for _, small in sides]),
                Spread.of([_ratio(large, small) for large, small in sides]),
                SAME_COST,
            )
        )
    return Table(title, _SIDES, figures)


def _ratio(large: Sequence[float], small: Sequence[float]) -> float:
    """Return the median of the ratios of what was asked one right after the other, as busy as the machine was then."""
    return statistics.median(one / other for one, other in zip(large, small, strict=True))


def _milliseconds(part: float) -> Callable[[Sequence[float]], float]:
    return lambda seconds: 1000 * percentile(seconds, part)


@contextmanager
def _started(store: MeasuredStore) -> Iterator[Service]:
    with Service(store.environment) as service:
        service.start()
        yield service
        service.stop()
