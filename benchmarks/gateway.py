"""nginx in front of the service, by the configuration that the project ships."""

from pathlib import Path

from storage_app.settings import ROOT

from .peers.nginx import nginx, replaced
from .processes import HOST, Server, free_port
from .service import Service

SECRET = "what-nginx-and-the-service-share"  # noqa: S105  it guards nothing

# What a service needs to hand bytes to nginx.
OFFLOAD = {"DOWNLOAD_OFFLOAD": "nginx", "UPLOAD_OFFLOAD": "nginx", "OFFLOAD_SECRET": SECRET}

DEPLOY = ROOT / "deploy"


def gateway(service: Service, store: Path, folder: Path) -> Server:
    """Describe nginx in front of `service`, which keeps files in `store`; not yet started. It lives in `folder`."""
    folder.mkdir()
    port = free_port()
    (folder / "conf.d").mkdir()
    place = (DEPLOY / "storage.conf.template").read_text()
    (folder / "conf.d" / "storage.conf").write_text(
        replaced(place, {"${STORAGE_ADDRESS}": f"{HOST}:{service.port}", "${OFFLOAD_SECRET}": SECRET})
    )
    here = {"listen 8080;": f"listen {HOST}:{port};", "/data/storage/": f"{store}/", "/tmp/nginx": f"{folder}/nginx"}  # noqa: S108
    return nginx(folder, port, replaced((DEPLOY / "nginx.conf").read_text(), here))
