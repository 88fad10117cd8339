"""What is compared, and what it should reach: the bars, below which it is a fault, and the aims."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row should reach: this share of the figure of `of`; without `of`, a figure of at most `value`."""

    value: float
    of: str = ""

    def is_met(self, reached: float) -> bool:
        return reached >= self.value if self.of else reached <= self.value

    def is_far(self, reached: float) -> bool:
        """Tell whether it is missed by so much that no noise explains it: less than half of it, or more than twice."""
        return reached < self.value / 2 if self.of else reached > self.value * 2


@dataclass(frozen=True, slots=True)
class Row:
    """One way to do what a section measures, named as in the line-up; with a bar it is in the quick run, too."""

    way: str
    bar: Goal | None = None
    aim: Goal | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One thing measured in several ways; ratios are to `reference`, where there is one.

    In `title` and `note`, `{large}` and `{huge}` are sizes in MiB, and `{present}` is a number of objects.
    A `brief` section measures one transfer at a time, and luck is much of it, so that it has more rounds.
    """

    name: str
    title: str
    note: str
    unit: str
    rows: tuple[Row, ...]
    reference: str = ""
    cpu_unit: str = ""
    brief: bool = False


LIMIT, PEER = "nginx alone", "rclone"


def _shares(of: str, bar: float, aim: float) -> tuple[Goal, Goal]:
    return Goal(bar, of), Goal(aim, of)


def _small_up(name: str, *, title: str, rows: tuple[Row, ...]) -> Section:
    return Section(
        name=name,
        title=title,
        note="New objects, raw PUT unless it says form. rclone and nginx sync nothing; fsync is the service's default.",
        unit="requests/s",
        cpu_unit="CPU ms/request",
        reference=PEER,
        rows=rows,
    )


def _small_down(clients: int) -> Section:
    return Section(
        name=f"small-down-{clients}",
        title=f"10 KiB down, {clients} clients",
        note="rclone and nginx ask nobody for a login. Public files have a max-age, for which nginx may keep them.",
        unit="requests/s",
        cpu_unit="CPU ms/request",
        reference=PEER,
        rows=(
            Row("private, through nginx", *_shares(PEER, 0.22, 0.5)),
            Row("signed, through nginx", *_shares(PEER, 0.22, 0.5)),
            Row("public, through nginx", Goal(1.0, PEER), Goal(1.0, LIMIT)),
            Row("private, straight"),
            Row(LIMIT),
        ),
    )


IN_MEMORY = (
    Section(
        name="memory-idle",
        title="Memory, idle",
        note="PSS of all processes, after a few small requests.",
        unit="MiB",
        rows=(Row("service and nginx", Goal(130), Goal(90)), Row("service"), Row(LIMIT), Row(PEER)),
    ),
    Section(
        name="memory-up",
        title="Memory growth, four uploads of {large} MiB at once",
        note="The most PSS meanwhile, less what it was idle.",
        unit="MiB",
        rows=(
            Row("service and nginx", Goal(50), Goal(20)),
            Row("service", Goal(50), Goal(20)),
            Row(LIMIT),
            Row(PEER),
        ),
    ),
    Section(
        name="memory-down",
        title="Memory growth, then four downloads of {large} MiB at once",
        note="The most PSS meanwhile, less what it was idle at first.",
        unit="MiB",
        rows=(
            Row("service and nginx", Goal(50), Goal(20)),
            Row("service", Goal(50), Goal(20)),
            Row(LIMIT),
            Row(PEER),
        ),
    ),
)

SIDE_BY_SIDE = (
    Section(
        name="large-up",
        title="{large} MiB up",
        note="One client. The service hashes with SHA-256; nginx alone is a DAV PUT, which does not.",
        unit="MiB/s",
        cpu_unit="CPU s/GiB",
        reference=LIMIT,
        brief=True,
        rows=(
            Row("form, straight", *_shares(LIMIT, 0.40, 0.60)),
            Row("form, through nginx", *_shares(LIMIT, 0.35, 0.60)),
            Row("raw, straight", *_shares(LIMIT, 0.60, 0.85)),
            Row("raw, through nginx", *_shares(LIMIT, 0.50, 0.85)),
            Row("raw, straight, fsync"),
            Row("raw, through nginx, fsync"),
            Row(PEER),
        ),
    ),
    Section(
        name="large-down",
        title="{large} MiB down",
        note="One client. nginx alone gives out a static file.",
        unit="MiB/s",
        cpu_unit="CPU s/GiB",
        reference=LIMIT,
        brief=True,
        rows=(
            Row("private, through nginx", *_shares(LIMIT, 0.90, 1.0)),
            Row("private, straight", *_shares(LIMIT, 0.80, 1.0)),
            Row(PEER),
        ),
    ),
    Section(
        name="first-byte",
        title="First byte of {huge} MiB",
        note="One client, a new connection each time; from before the connection to the first byte of the file.",
        unit="ms",
        reference=LIMIT,
        rows=(
            Row("private, through nginx", Goal(10), Goal(3)),
            Row("private, straight", Goal(10), Goal(3)),
            Row(PEER),
        ),
    ),
    _small_up(
        "small-up",
        title="10 KiB up, 16 clients, into a folder of {present:,} objects",
        rows=(
            Row("raw, straight", *_shares(PEER, 0.8, 1.5)),
            Row("raw, through nginx", *_shares(PEER, 0.8, 1.5)),
            Row("raw, straight, fsync", *_shares(PEER, 0.5, 1.0)),
            Row("raw, through nginx, fsync", *_shares(PEER, 0.5, 1.0)),
        ),
    ),
    _small_up(
        "small-up-new",
        title="10 KiB up, 16 clients, into a new folder",
        rows=(
            Row("raw, straight"),
            Row("raw, through nginx"),
            Row("raw, straight, fsync"),
            Row("raw, through nginx, fsync"),
            Row("form, through nginx"),
            Row(LIMIT),
        ),
    ),
    _small_down(16),
    _small_down(64),
)
