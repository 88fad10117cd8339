"""The bars, below which a figure is a fault, and the aims; who is measured for each."""

from dataclasses import dataclass

LIMIT, PEERS = "nginx alone", ("rclone", "seaweedfs")
PEER = PEERS[0]


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of at most `value`, or with `of` at least this share of another way's figure."""

    value: float
    of: str = ""

    def is_met(self, reached: float) -> bool:
        return reached >= self.value if self.of else reached <= self.value

    def is_far(self, reached: float) -> bool:
        """Whether it is missed by a factor of more than two."""
        return reached * 2 < self.value if self.of else reached > self.value * 2


@dataclass(frozen=True, slots=True)
class Row:
    """One way to do what a section measures. The quick run measures the rows with a bar."""

    way: str
    bar: Goal | None = None
    aim: Goal | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement of several ways; ratios are to `reference`. `title` is formatted with the sizes of a `Scale`.

    A `brief` section measures one transfer at a time, which varies more, so it has more rounds.
    """

    name: str
    title: str
    unit: str
    rows: tuple[Row, ...]
    reference: str = ""
    cpu_unit: str = ""
    brief: bool = False


def _row(way: str, bar: float, aim: float, of: str = "") -> Row:
    return Row(way, Goal(bar, of), Goal(aim, of))


def _small_down(clients: int) -> Section:
    rows = (
        _row("private, through nginx", 0.22, 0.5, PEER),
        _row("signed, through nginx", 0.22, 0.5, PEER),
        Row("signed with max-age, through nginx", Goal(1.0, PEER), Goal(1.0, LIMIT)),
        Row("public, through nginx", Goal(1.0, PEER), Goal(1.0, LIMIT)),
        *map(Row, ("private, straight", LIMIT, *PEERS[1:])),
    )
    title = f"10 KiB down, {clients} clients"
    return Section(f"small-down-{clients}", title, "requests/s", rows, PEER, "CPU ms/request")


_OTHERS = (*map(Row, (LIMIT, *PEERS)),)
_IDLE = (_row("raw, through nginx", 130, 90), Row("raw, straight"), *_OTHERS)
_GROWTH = (_row("raw, through nginx", 50, 20), _row("raw, straight", 50, 20), *_OTHERS)
_LARGE_UP = (
    _row("form, straight", 0.40, 0.60, LIMIT),
    _row("form, through nginx", 0.35, 0.60, LIMIT),
    _row("raw, straight", 0.60, 0.85, LIMIT),
    _row("raw, through nginx", 0.50, 0.85, LIMIT),
    *map(Row, ("raw, straight, fsync", "raw, through nginx, fsync", *PEERS)),
)
_LARGE_DOWN = (
    _row("private, through nginx", 0.90, 1.0, LIMIT),
    _row("private, straight", 0.80, 1.0, LIMIT),
    *map(Row, PEERS),
)
_FIRST_BYTE = (_row("private, through nginx", 10, 3), _row("private, straight", 10, 3), *map(Row, PEERS))
_SMALL_UP = (
    _row("raw, straight", 0.8, 1.5, PEER),
    _row("raw, through nginx", 0.8, 1.5, PEER),
    _row("raw, straight, fsync", 0.5, 1.0, PEER),
    _row("raw, through nginx, fsync", 0.5, 1.0, PEER),
    *map(Row, PEERS[1:]),
)
_INTO = "10 KiB up, 16 clients, into a folder of {present:,} objects"

IN_MEMORY = (
    Section("memory-idle", "Memory (PSS), idle", "MiB", _IDLE),
    Section("memory-up", "Memory growth, four uploads of {large} MiB at once", "MiB", _GROWTH),
    Section("memory-down", "Memory growth, then four downloads of {large} MiB at once", "MiB", _GROWTH),
)
SIDE_BY_SIDE = (
    Section("large-up", "{large} MiB up, one client", "MiB/s", _LARGE_UP, LIMIT, "CPU s/GiB", brief=True),
    Section("large-down", "{large} MiB down, one client", "MiB/s", _LARGE_DOWN, LIMIT, "CPU s/GiB", brief=True),
    Section("first-byte", "First byte of {huge} MiB, new connections", "ms", _FIRST_BYTE, LIMIT),
    Section("small-up", _INTO, "requests/s", _SMALL_UP, PEER, "CPU ms/request"),
    _small_down(16),
    _small_down(64),
)
SECTIONS = {section.name: section for section in (*IN_MEMORY, *SIDE_BY_SIDE)}
