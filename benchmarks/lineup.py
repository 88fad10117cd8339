"""Everybody who is measured: what is started, and the ways into it by the names that `sections` uses."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from .peers.nginx import nginx_alone
from .peers.s3 import rclone
from .peers.storage import Form, Public, Raw, Signed, deployed
from .processes import Server
from .sections import LIMIT, PEER
from .targets import Target, connect

Lineup = Mapping[str, Target]

_REACH_SECONDS = 5


@contextmanager
def started(targets: Sequence[Target]) -> Iterator[None]:
    """Run the servers of these targets, prepared for them."""
    servers: dict[Server, None] = dict.fromkeys(server for target in targets for server in target.servers)
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(server).start()
        for target in targets:
            _reach(target)
            target.prepare()
        yield
        for server in reversed(servers):
            server.stop()


def _reach(target: Target) -> None:
    """Raise `RuntimeError` where nothing listens."""
    try:
        with closing(connect(target)) as connection:
            connection.timeout = _REACH_SECONDS
            connection.connect()
    except OSError as error:
        raise RuntimeError(f"{target.name} cannot be reached at {target.host}:{target.port}: {error}.") from error


def everybody(folder: Path, given: Sequence[Target]) -> Lineup:
    """Describe all ways, over new folders in `folder`; nothing is started. Raises `ValueError` for a name twice."""
    fast, fast_gateway = deployed(folder / "service", durability="none")
    safe, safe_gateway = deployed(folder / "service-fsync", durability="fsync")
    straight, through = (fast.port, (fast,)), (fast_gateway.port, (fast, fast_gateway))
    ways: Sequence[Target] = [
        nginx_alone(folder / "nginx"),
        rclone(folder / "rclone"),
        Raw("raw, straight", *straight),
        Raw("raw, through nginx", *through),
        Form("form, straight", *straight),
        Form("form, through nginx", *through),
        Raw("raw, straight, fsync", safe.port, (safe,)),
        Raw("raw, through nginx, fsync", safe_gateway.port, (safe, safe_gateway)),
        Raw("private, straight", *straight),
        Raw("private, through nginx", *through),
        Signed("signed, through nginx", *through),
        Public("public, through nginx", *through),
    ]
    lineup = {way.name: way for way in ways}
    for peer in given:
        if peer.name in lineup:
            raise ValueError(f"{peer.name} is measured already: give the other one another name.")
        lineup[peer.name] = peer
    return lineup


def for_memory(folder: Path) -> Lineup:
    """Describe those whose memory is measured, over new folders in `folder`; each is started alone."""
    service, gateway = deployed(folder / "service", durability="none")
    alone, _ = deployed(folder / "service-alone", durability="none")
    return {
        "service and nginx": Raw("service and nginx", gateway.port, (service, gateway)),
        "service": Raw("service", alone.port, (alone,)),
        LIMIT: nginx_alone(folder / "nginx"),
        PEER: rclone(folder / "rclone"),
    }
