"""Where objects are put: plain HTTP servers, the peers among them, and the ways into the service."""

import hashlib
import http.client
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import jwt

from .servers import HOST, ROOT, Server, free_port, program

OWNER = "owner"
SECRET_KEY = "a-secret-key-for-benchmarks-of-32-bytes-or-more"  # noqa: S105  it guards nothing

_TIMEOUT_SECONDS = 120
_LOGIN_SECONDS = 86400
_STEP_BYTES = 256 * 1024
_BOUNDARY = "----a-boundary-that-is-in-no-file"
_NOT_IN_URLS = re.compile(r"[^!-~]")  # RFC 3986, section 2
# nginx's workers run as another user than root unless told otherwise, and could not read root's files.
_NGINX = ("user root;\n" if os.geteuid() == 0 else "") + "daemon off;\n"


@dataclass(frozen=True, slots=True)
class Request:
    """A request for one object. An upload's body is `before`, the object's bytes, and `after`."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    before: bytes = b""
    after: bytes = b""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that takes PUT, GET and DELETE of keys below `root`. Keys need no escaping in URLs.

    `servers` are the programs to start for it; a server that runs elsewhere has none.
    """

    name: str
    port: int
    servers: Sequence[Server] = ()
    root: str = ""
    host: str = HOST

    def prepare(self) -> None:
        """Create what objects are put into, once the servers have started. Raises `OSError` when none listens."""
        with closing(self.connect()) as connection:
            connection.connect()

    def put(self, key: str) -> Request:
        return Request("PUT", f"{self.root}/{key}")

    def get(self, key: str) -> Request:
        return Request("GET", f"{self.root}/{key}")

    def delete(self, key: str) -> Request:
        return Request("DELETE", f"{self.root}/{key}")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=_TIMEOUT_SECONDS)

    def ask(self, request: Request, content: bytes = b"") -> bytes:
        """Send a request and return the response's body. Raises `RuntimeError` when it is refused."""
        with closing(self.connect()) as connection:
            body = request.before + content + request.after
            connection.request(request.method, request.path, body or None, dict(request.headers))
            return self.accepted(request, connection.getresponse()).read()

    def accepted(self, request: Request, response: http.client.HTTPResponse) -> http.client.HTTPResponse:
        """Return a response of success. Raises `RuntimeError` for any other."""
        if 200 <= response.status < 300:
            return response
        raise RuntimeError(
            f"{self.name} answered {request.method} {request.path} with {response.status}: {response.read(500)!r}"
        )

    def check(self, key: str, sha256: str) -> None:
        """Get an object. Raises `RuntimeError` when its hash differs."""
        request, digest = self.get(key), hashlib.sha256()
        with closing(self.connect()) as connection:
            connection.request(request.method, request.path, headers=dict(request.headers))
            response = self.accepted(request, connection.getresponse())
            while data := response.read(_STEP_BYTES):
                digest.update(data)
        if digest.hexdigest() != sha256:
            raise RuntimeError(f"{self.name} returned other bytes for {key} than were put there.")


def given(text: str) -> Target:
    """Parse `NAME=http://host:port/path`. Raises `ValueError` for anything else."""
    name, _, url = text.partition("=")
    parts = urlsplit(url)
    if not (name and parts.scheme == "http" and parts.hostname) or parts.query or _NOT_IN_URLS.search(url):
        raise ValueError(f"expected NAME=http://host:port/path, not {text!r}")
    return Target(name, parts.port or 80, root=parts.path.rstrip("/"), host=parts.hostname)


def nginx_alone(folder: Path) -> Target:
    """Describe nginx with its DAV module over `folder`."""
    (folder / "files").mkdir(parents=True)
    port = free_port()
    here = {"listen 8080": f"listen {HOST}:{port}", "/tmp/nginx": f"{folder}/nginx", "/data": f"{folder}/files"}  # noqa: S108
    configuration = replaced(Path(__file__).with_name("nginx.conf").read_text(), here)
    return Target("nginx alone", port, (_nginx(folder, port, configuration),))


def rclone(folder: Path) -> Target:
    """Describe `rclone serve s3` with its defaults over `folder`. It checks no signatures."""
    (folder / "files" / "objects").mkdir(parents=True)
    port = free_port()
    command = [program("rclone"), "serve", "s3", "--config", "", "--addr", f"{HOST}:{port}", str(folder / "files")]
    return Target("rclone", port, (Server("rclone", command, folder, port),), "/objects")


def seaweedfs(folder: Path) -> Target:
    """Describe `weed mini` with its defaults over `folder`, by its S3 API. It checks no signatures."""
    (folder / "files").mkdir(parents=True)
    parts = ("master", "volume", "filer", "s3", "admin")
    options = {f"{name}.port{kind}": free_port() for name in parts for kind in ("", ".grpc")}
    port = options["s3.port"]
    off = ("master.telemetry=false", "webdav=false", "s3.port.iceberg=0", "s3.port.lance=0")
    here = (f"ip={HOST}", f"ip.bind={HOST}", "dir=files", "filer.localSocket=filer", "s3.localSocket=s3")
    given = [*here, *off, "bucket=objects", *(f"{name}={value}" for name, value in options.items())]
    command = [program("weed"), "-logtostderr", "mini", *(f"-{option}" for option in given)]
    server = Server("seaweedfs", command, folder, port, ready="/objects")
    server.leaves = [Path(f"/tmp/seaweedfs-{name}-grpc-{options[f'{name}.port.grpc']}.sock") for name in parts]  # noqa: S108
    return Target("seaweedfs", port, (server,), "/objects")


def _nginx(folder: Path, port: int, configuration: str, ready: str = "/") -> Server:
    (folder / "nginx.conf").write_text(_NGINX + configuration)
    command = [program("nginx"), "-p", str(folder), "-e", f"{folder}/log", "-c", f"{folder}/nginx.conf"]
    return Server("nginx", command, folder, port, ready=ready)


def replaced(configuration: str, replacements: Mapping[str, str]) -> str:
    """Replace texts in a configuration. Raises `ValueError` when one is not in it."""
    for old, new in replacements.items():
        if old not in configuration:
            raise ValueError(f"{old!r} is not in nginx's configuration any more: the benchmark must follow it.")
        configuration = configuration.replace(old, new)
    return configuration


def login() -> dict[str, str]:
    """Return the header that authenticates `OWNER`."""
    claims = {"sub": OWNER, "exp": int(time.time()) + _LOGIN_SECONDS}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET_KEY, 'HS256')}"}


@dataclass(frozen=True, slots=True)
class Raw(Target):
    """The service: uploads by PUT of the bytes as they are into a private bucket, downloads with a login."""

    bucket: str = "private"
    login: dict[str, str] = field(default_factory=login)

    def prepare(self) -> None:
        """Create the bucket, unless another way into this service has done so."""
        present = json.loads(self.ask(Request("GET", "/buckets", self.login)))
        if self.bucket not in [bucket["id"] for bucket in present]:
            self.post("/buckets", {"name": self.bucket, "is_public": self.bucket == "public"})

    def put(self, key: str) -> Request:
        return Request("PUT", f"/files/upload-direct/{self.bucket}/{key}", self.login)

    def get(self, key: str) -> Request:
        return Request("GET", f"/files/download/{self.bucket}/{key}", self.login)

    def delete(self, key: str) -> Request:
        return Request("DELETE", f"/files/{self.bucket}/{key}", self.login)

    def post(self, path: str, document: object) -> dict[str, str]:
        headers = self.login | {"Content-Type": "application/json"}
        answer: dict[str, str] = json.loads(self.ask(Request("POST", path, headers), json.dumps(document).encode()))
        return answer

    def form(self, **fields: str) -> Request:
        part = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name="
        before = "".join(f'{part}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
        before += f'{part}"file"; filename="object"\r\n\r\n'
        headers = self.login | {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        after = f"\r\n--{_BOUNDARY}--\r\n"
        return Request("POST", f"/files/upload/{self.bucket}", headers, before.encode(), after.encode())


@dataclass(frozen=True, slots=True)
class Form(Raw):
    """Uploads by multipart form, as SelfDB's clients make them."""

    def put(self, key: str) -> Request:
        return self.form(file_id=key, overwrite="true")


@dataclass(frozen=True, slots=True)
class Signed(Raw):
    """Downloads by signed links, each requested once."""

    links: dict[str, str] = field(default_factory=dict)

    def get(self, key: str) -> Request:
        if key not in self.links:
            wanted = {"bucket_id": self.bucket, "file_id": key, "expires_in": _LOGIN_SECONDS}
            self.links[key] = urlsplit(self.post("/files/initiate-download", wanted)["download_url"]).path
        return Request("GET", self.links[key])


@dataclass(frozen=True, slots=True)
class SignedToKeep(Signed):
    """Downloads by signed links of files that nginx may cache."""

    bucket: str = "kept"  # the other ways store files without a max-age under the same keys

    def put(self, key: str) -> Request:
        return self.form(file_id=key, overwrite="true", cache_control="max-age=3600")


@dataclass(frozen=True, slots=True)
class Public(Raw):
    """Downloads without a login, of files that nginx may cache."""

    bucket: str = "public"

    def put(self, key: str) -> Request:
        return self.form(file_id=key, overwrite="true", cache_control="public, max-age=3600")

    def get(self, key: str) -> Request:
        return Request("GET", f"/storage/{self.bucket}/{key}")


def service(folder: Path, environment: Mapping[str, str], application: str = "wsgi:app") -> Server:
    """Describe gunicorn as `run.sh` starts it, over `folder`/store, with two workers of 32 threads.

    Raises `ValueError` when `.env` names a database: the benchmark must not write to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, env = free_port(), ROOT / ".env"
    if env.exists() and re.search(r"^\s*(export\s+)?INDEX_URL\s*=\s*\S", env.read_text(), re.MULTILINE):
        raise ValueError("INDEX_URL is set in .env: remove it there, so that its database stays as it is.")
    # With the default of every setting, so that none comes from .env.
    defaults = dict(re.findall(r"^# ([A-Z_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    own = {"HOST": HOST, "PORT": str(port), "WEB_CONCURRENCY": "2", "THREADS": "32"}
    store = {"SECRET_KEY": SECRET_KEY, "STORAGE_PATH": str(folder / "store")}
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), application]
    server = Server("the service", command, folder, port, ready="/health")
    server.environment = {**defaults, **own, **store, **environment}
    return server


def deployed(folder: Path, *, durability: str) -> tuple[Server, Server]:
    """Describe the service as deployed, and the nginx in front of it with the shipped configuration."""
    offload = {"DOWNLOAD_OFFLOAD": "nginx", "UPLOAD_OFFLOAD": "nginx", "OFFLOAD_SECRET": SECRET_KEY}
    # All clients of a measurement come from one address, and hundreds of them upload at once.
    behind = service(folder, {**offload, "DURABILITY": durability, "MAX_UPLOADS": "1000"})
    port, front, deploy = free_port(), folder / "nginx", ROOT / "deploy"
    front.mkdir(parents=True)
    place = {"${STORAGE_ADDRESS}": f"{HOST}:{behind.port}", "${OFFLOAD_SECRET}": SECRET_KEY}
    (front / "storage.conf").write_text(replaced((deploy / "storage.conf.template").read_text(), place))
    here = {"listen 8080;": f"listen {HOST}:{port};", "/data/storage/": f"{folder}/store/"}
    here["limit_conn uploads 32;"] = ""
    here |= {"127.0.0.1:8081": f"{HOST}:{free_port()}", "/tmp/nginx": f"{front}/nginx"}  # noqa: S108
    return behind, _nginx(front, port, replaced((deploy / "nginx.conf").read_text(), here), ready="/health")


def everybody(folder: Path, peers: Sequence[Target]) -> Mapping[str, Target]:
    """Describe all ways by name, over new folders in `folder`. Raises `ValueError` for a name given twice."""
    fast, fast_front = deployed(folder / "service", durability="none")
    safe, safe_front = deployed(folder / "service-fsync", durability="fsync")
    places = {
        "straight": (fast.port, (fast,)),
        "through nginx": (fast_front.port, (fast, fast_front)),
        "straight, fsync": (safe.port, (safe,)),
        "through nginx, fsync": (safe_front.port, (safe, safe_front)),
    }
    kinds = {
        "raw": Raw,
        "form": Form,
        "private": Raw,
        "signed": Signed,
        "signed with max-age": SignedToKeep,
        "public": Public,
    }
    ours = [kind(f"{name}, {place}", *where) for name, kind in kinds.items() for place, where in places.items()]
    others = [nginx_alone(folder / "nginx"), rclone(folder / "rclone"), seaweedfs(folder / "seaweedfs"), *peers]
    names = [way.name for way in (*ours, *others)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} is measured already: give the --peer another name.")
    return dict(zip(names, [*ours, *others], strict=True))
