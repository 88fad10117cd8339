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
        """Whether it is missed by a factor of two, which noise does not explain."""
        return reached < self.value / 2 if self.of else reached > self.value * 2


@dataclass(frozen=True, slots=True)
class Row:
    """One way to do what a section measures. The quick run measures the rows with a bar."""

    way: str
    bar: Goal | None = None
    aim: Goal | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement of several ways. Ratios are to `reference`, `cpu` is the unit of processor time.

    `title` and `note` are formatted with the sizes of a `Scale`. A `brief` section measures one transfer at a time,
    which varies more, so it has more rounds.
    """

    name: str
    title: str
    note: str
    unit: str
    rows: tuple[Row, ...]
    reference: str = ""
    cpu: str = ""
    brief: bool = False

    def chosen(self, *, quick: bool) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.bar is not None or not quick)


def _row(way: str, bar: float, aim: float, of: str = "") -> Row:
    return Row(way, Goal(bar, of), Goal(aim, of))


def _growth(name: str, title: str) -> Section:
    rows = (_row("raw, through nginx", 50, 20), _row("raw, straight", 50, 20), *map(Row, (LIMIT, *PEERS)))
    note = "The most PSS of all processes during the transfers, less the idle PSS."
    return Section(name, f"Memory growth, {title}", note, "MiB", rows)


def _small_down(clients: int) -> Section:
    rows = (
        _row("private, through nginx", 0.22, 0.5, PEER),
        _row("signed, through nginx", 0.22, 0.5, PEER),
        Row("public, through nginx", Goal(1.0, PEER), Goal(1.0, LIMIT)),
        *map(Row, ("private, straight", LIMIT, *PEERS[1:])),
    )
    note = "The peers check no login. Public files have a max-age, for which nginx may cache them."
    title = f"10 KiB down, {clients} clients"
    return Section(f"small-down-{clients}", title, note, "requests/s", rows, PEER, "CPU ms/request")


IN_MEMORY = (
    Section(
        "memory-idle",
        "Memory, idle",
        "PSS of all processes, after a few small requests.",
        "MiB",
        (_row("raw, through nginx", 130, 90), *map(Row, ("raw, straight", LIMIT, *PEERS))),
    ),
    _growth("memory-up", "four uploads of {large} MiB at once"),
    _growth("memory-down", "then four downloads of {large} MiB at once"),
)
SIDE_BY_SIDE = (
    Section(
        "large-up",
        "{large} MiB up",
        "One client. The service hashes with SHA-256; nginx alone takes a DAV PUT and does not hash.",
        "MiB/s",
        (
            _row("form, straight", 0.40, 0.60, LIMIT),
            _row("form, through nginx", 0.35, 0.60, LIMIT),
            _row("raw, straight", 0.60, 0.85, LIMIT),
            _row("raw, through nginx", 0.50, 0.85, LIMIT),
            *map(Row, ("raw, straight, fsync", "raw, through nginx, fsync", *PEERS)),
        ),
        LIMIT,
        "CPU s/GiB",
        brief=True,
    ),
    Section(
        "large-down",
        "{large} MiB down",
        "One client. nginx alone serves a static file.",
        "MiB/s",
        (
            _row("private, through nginx", 0.90, 1.0, LIMIT),
            _row("private, straight", 0.80, 1.0, LIMIT),
            *map(Row, PEERS),
        ),
        LIMIT,
        "CPU s/GiB",
        brief=True,
    ),
    Section(
        "first-byte",
        "First byte of {huge} MiB",
        "One client, a new connection each time; from before the connection to the first byte of the file.",
        "ms",
        (_row("private, through nginx", 10, 3), _row("private, straight", 10, 3), *map(Row, PEERS)),
        LIMIT,
    ),
    Section(
        "small-up",
        "10 KiB up, 16 clients, into a folder of {present:,} objects",
        "New objects by raw PUT. The peers sync nothing; fsync is the service's default.",
        "requests/s",
        (
            _row("raw, straight", 0.8, 1.5, PEER),
            _row("raw, through nginx", 0.8, 1.5, PEER),
            _row("raw, straight, fsync", 0.5, 1.0, PEER),
            _row("raw, through nginx, fsync", 0.5, 1.0, PEER),
            *map(Row, PEERS[1:]),
        ),
        PEER,
        "CPU ms/request",
    ),
    _small_down(16),
    _small_down(64),
)
SECTIONS = {section.name: section for section in (*IN_MEMORY, *SIDE_BY_SIDE)}
