"""What docs/nginx.md and deploy/selfdb.md give to be pasted is true."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from storage_app.settings import SETTINGS
from tests.support.nginx import DEPLOY, installed, replaced
from tests.support.service import ROOT

PAGE = (ROOT / "docs" / "nginx.md").read_text()
SECRET = "0123456789abcdef" * 4


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder with a store, and nginx's configuration as the page has it made."""
    (tmp_path / "data" / ".system").mkdir(parents=True)
    make_configuration(tmp_path, SECRET).check_returncode()
    return tmp_path


def make_configuration(project: Path, secret: str) -> subprocess.CompletedProcess[bytes]:
    (project / "deploy").symlink_to(DEPLOY)
    (script,) = blocks(PAGE, "bash")
    commands = ["bash", "-ec", script[: script.index("nginx -e")]]
    environment = {**os.environ, "OFFLOAD_SECRET": secret}
    return subprocess.run(commands, cwd=project, env=environment, stderr=subprocess.PIPE, check=False)


def assert_accepted(project: Path) -> None:
    configuration = project / "gateway" / "nginx.conf"
    text = configuration.read_text()
    assert "/tmp/nginx" not in text.replace(f"{project}/gateway/tmp/nginx", "")
    configuration.write_text(("user root;\n" if os.geteuid() == 0 else "") + text)
    tested = subprocess.run(
        [installed(), "-t", "-e", "stderr", "-c", configuration], capture_output=True, text=True, check=False
    )
    assert "[warn]" not in tested.stderr
    assert tested.returncode == 0, tested.stderr


def change(project: Path, before: str, after: str) -> None:
    configuration = project / "gateway" / "nginx.conf"
    configuration.write_text(replaced(configuration.read_text(), {before: after}))


def test_commands_make_a_configuration_that_nginx_takes(project: Path) -> None:
    place = project / "gateway" / "storage.conf"
    assert place.read_text() == replaced(
        (DEPLOY / "storage.conf.template").read_text(),
        {"${STORAGE_ADDRESS}": "127.0.0.1:8001", "${OFFLOAD_SECRET}": SECRET},
    )
    assert place.stat().st_mode & 0o077 == 0
    assert f"alias {project}/data/$blob;" in (project / "gateway" / "nginx.conf").read_text()
    assert_accepted(project)


def test_commands_stop_without_the_secret(tmp_path: Path) -> None:
    """Or nginx would start, and leave every slow client to the service."""
    made = make_configuration(tmp_path, "")
    assert made.returncode != 0
    assert b"OFFLOAD_SECRET" in made.stderr


def test_parts_to_be_put_in_are_taken(project: Path) -> None:
    passing_on, believing, tls, logging = blocks(PAGE, "nginx")
    key, certificate = project / "key.pem", project / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], capture_output=True, check=True)
    tls = replaced(tls, {"/etc/ssl/storage/fullchain.pem": str(certificate), "/etc/ssl/storage/privkey.pem": str(key)})
    change(project, "listen 8080;", f"listen 8080;\n{tls}{believing}")
    change(project, "    upstream decided", f"    server {{ listen 8082; {passing_on} }}\n    upstream decided")
    change(project, "access_log off;", replaced(logging, {"/var/log/nginx/storage.log": f"{project}/storage.log"}))
    assert_accepted(project)


def test_selfdb_compose_parts_set_what_there_is_to_set() -> None:
    part, *more = blocks((DEPLOY / "selfdb.md").read_text(), "yaml")
    compose = yaml.safe_load(part)
    names = {setting.name for setting in SETTINGS}
    environments = [compose["services"]["storage_service"], *map(yaml.safe_load, more)]
    assert [name for each in environments for name in each["environment"] if name not in names] == []
    assert environments[-1]["environment"]["SERVICE_KEY"] == "${API_KEY}"
    assert compose["services"]["storage_service"]["volumes"] == ["selfdb_store:/data/storage"]
    assert "selfdb_store" in compose["volumes"]
