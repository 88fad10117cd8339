"""Servers that speak S3, without signatures; `rclone serve s3` is one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from ..processes import HOST, Server, free_port
from ..programs import program
from ..targets import Request, ask

_NAMESPACE = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}


@dataclass(frozen=True, slots=True)
class S3:
    """A bucket, at a path of its own, that anybody may write to."""

    name: str
    port: int
    bucket: str
    servers: Sequence[Server] = ()
    host: str = HOST
    page: int = 1000  # of a list

    def prepare(self) -> None:
        if self.servers:  # a bucket that was named with a server of somebody else is there
            ask(self, Request("PUT", f"/{self.bucket}"))

    def put(self, key: str) -> Request:
        return self._request("PUT", key)

    def get(self, key: str) -> Request:
        return self._request("GET", key)

    def delete(self, key: str) -> Request:
        return self._request("DELETE", key)

    def keys(self, folder: str) -> Iterator[str]:
        """List page by page (ListObjectsV2)."""
        query = {"list-type": "2", "prefix": f"{folder}/", "max-keys": str(self.page)}
        while True:
            answer = ask(self, Request("GET", f"/{self.bucket}?{urlencode(query)}"))
            page = ET.fromstring(answer)  # noqa: S314  from a server that we chose
            yield from (key.text or "" for key in page.iterfind("s3:Contents/s3:Key", _NAMESPACE))
            token = page.findtext("s3:NextContinuationToken", namespaces=_NAMESPACE)
            if not token:
                return
            query["continuation-token"] = token

    def _request(self, method: str, key: str) -> Request:
        return Request(method, f"/{self.bucket}/{key}")


def rclone(folder: Path) -> S3:
    """Describe `rclone serve s3` over `folder` with its defaults, not yet started. It asks nobody who they are."""
    (folder / "files").mkdir(parents=True)
    port = free_port()
    command = [program("rclone"), "serve", "s3", "--config", "", "--addr", f"{HOST}:{port}", str(folder / "files")]
    server = Server("rclone", command, port=port, environment={}, log=folder / "rclone.log")
    return S3("rclone", port, "objects", (server,))
