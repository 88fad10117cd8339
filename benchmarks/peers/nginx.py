"""nginx alone, as the limit of what a machine can do; and other plain HTTP servers that take PUT."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..processes import HOST, Server, free_port
from ..programs import program
from ..targets import Request, ask

# As root, nginx would make its workers somebody who may not read what is root's.
USER = "user root;\n" if os.geteuid() == 0 else ""


@dataclass(frozen=True, slots=True)
class PlainHttp:
    """A server that maps paths below `root` to files: PUT, GET and DELETE, and nginx's index of a folder as JSON."""

    name: str
    port: int
    servers: Sequence[Server] = ()
    host: str = HOST
    root: str = ""

    def prepare(self) -> None:
        """Nothing is needed: PUT makes folders."""

    def put(self, key: str) -> Request:
        return self._request("PUT", key)

    def get(self, key: str) -> Request:
        return self._request("GET", key)

    def delete(self, key: str) -> Request:
        return self._request("DELETE", key)

    def keys(self, folder: str) -> Iterator[str]:
        for entry in json.loads(ask(self, self._request("GET", f"{folder}/"))):
            yield f"{folder}/{entry['name']}"

    def _request(self, method: str, key: str) -> Request:
        return Request(method, f"{self.root}/{key}")


def nginx_alone(folder: Path) -> PlainHttp:
    """Describe nginx over `folder`, not yet started."""
    (folder / "files").mkdir(parents=True)
    port = free_port()
    configuration = Path(__file__).with_name("nginx.conf").read_text()
    here = {"listen 8080": f"listen {HOST}:{port}", "/tmp/nginx": f"{folder}/nginx", "/data": f"{folder}/files"}  # noqa: S108
    return PlainHttp("nginx alone", port, (nginx(folder, port, replaced(configuration, here)),))


def nginx(folder: Path, port: int, configuration: str) -> Server:
    """Describe an nginx with this configuration, which says nothing of users and daemons; it lives in `folder`."""
    path, log = folder / "nginx.conf", folder / "nginx.log"
    path.write_text(f"{USER}daemon off;\n{configuration}")
    command = [program("nginx"), "-p", str(folder), "-e", str(log), "-c", str(path)]
    return Server("nginx", command, port=port, environment={}, log=log)


def replaced(configuration: str, replacements: Mapping[str, str]) -> str:
    """Put in what differs here. Raises `ValueError` when something that is to be replaced is not there."""
    for old, new in replacements.items():
        if old not in configuration:
            raise ValueError(f"{old!r} is not in nginx's configuration any more: the benchmark must follow it.")
        configuration = configuration.replace(old, new)
    return configuration
