"""Settings: what each takes, refuses and falls back to, and that every one is documented."""

import os
from pathlib import Path

import pytest

from storage_app import settings as module
from storage_app.errors import SettingsError
from storage_app.settings import SETTINGS, Settings, load_settings
from storage_app.settings.environment import ROOT

KEY = "k" * 32
SECRETS = [setting.name for setting in SETTINGS if setting.secret]


def load(**environ: str) -> Settings:
    return load_settings({"SECRET_KEY": KEY} | environ)


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("storage_path", Path("/data/storage")),
        ("algorithm", "HS256"),
        ("host", "127.0.0.1"),
        ("port", 8001),
        ("base_url", "http://localhost"),
        ("public_url", "http://localhost:8001"),
        ("anon_key", None),
        ("threads", 32),
        ("max_file_size", None),
        ("max_uploads", 48),
        ("min_free_bytes", 256 * 1024**2),
        ("anonymous_uploads", True),
        ("download_offload", "off"),
        ("offload_secret", None),
        ("cors_origins", ("*",)),
        ("trusted_proxies", 0),
        ("durability", "fsync"),
        ("log_level", "INFO"),
        ("log_format", "text"),
    ],
)
def test_default(field: str, default: object) -> None:
    assert getattr(load(), field) == default


def test_default_of_web_concurrency_is_at_least_two() -> None:
    assert load().web_concurrency == module.usable_cores() >= 2


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("STORAGE_PATH", "/srv/files", "storage_path", Path("/srv/files")),
        ("STORAGE_PATH", "./data", "storage_path", ROOT / "data"),
        ("SECRET_KEY", "é" * 16, "secret_key", "é" * 16),
        ("SECRET_KEY", "${HOME}" * 5, "secret_key", "${HOME}" * 5),
        ("ALGORITHM", "HS512", "algorithm", "HS512"),
        ("HOST", "::1", "host", "::1"),
        ("PORT", "1", "port", 1),
        ("BASE_URL", "https://files.example.com/", "base_url", "https://files.example.com"),
        ("STORAGE_SERVICE_PUBLIC_URL", "https://a.example/storage/", "public_url", "https://a.example/storage"),
        ("STORAGE_SERVICE_EXTERNAL_URL", "https://old.example", "public_url", "https://old.example"),
        ("ANON_KEY", "anon", "anon_key", "anon"),
        ("WEB_CONCURRENCY", "1", "web_concurrency", 1),
        ("MAX_FILE_SIZE", "1048576", "max_file_size", 1048576),
        ("MIN_FREE_BYTES", "0", "min_free_bytes", 0),
        ("ANONYMOUS_UPLOADS", "no", "anonymous_uploads", False),
        ("OFFLOAD_SECRET", "s" * 16, "offload_secret", "s" * 16),
        ("CORS_ORIGINS", "https://A.example/, http://b:3000", "cors_origins", ("https://a.example", "http://b:3000")),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("LOG_FORMAT", "json", "log_format", "json"),
    ],
)
def test_value(name: str, value: str, field: str, expected: object) -> None:
    assert getattr(load(**{name: value}), field) == expected


def test_public_url_wins_over_its_other_name() -> None:
    settings = load(
        STORAGE_SERVICE_PUBLIC_URL="https://new.example", STORAGE_SERVICE_EXTERNAL_URL="https://old.example"
    )
    assert settings.public_url == "https://new.example"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORAGE_PATH", "~nobody-of-that-name/files"),
        ("SECRET_KEY", "k" * 31),
        ("SECRET_KEY", "\udcff" * 32),
        ("ALGORITHM", "none"),
        ("HOST", "[::1]"),
        ("PORT", "0"),
        ("BASE_URL", "localhost:8001"),
        ("BASE_URL", "http://localhost\r\nX: y"),
        ("STORAGE_SERVICE_PUBLIC_URL", "//localhost"),
        ("STORAGE_SERVICE_EXTERNAL_URL", "//localhost"),
        ("ANON_KEY", "two words"),
        ("ANON_KEY", KEY),
        ("WEB_CONCURRENCY", "0"),
        ("THREADS", "0"),
        ("MAX_FILE_SIZE", "0"),
        ("MAX_UPLOADS", "0"),
        ("MIN_FREE_BYTES", "lots"),
        ("ANONYMOUS_UPLOADS", "perhaps"),
        ("DOWNLOAD_OFFLOAD", "apache"),
        ("OFFLOAD_SECRET", "s" * 15),
        ("CORS_ORIGINS", "example.com"),
        ("TRUSTED_PROXIES", "11"),
        ("TRUSTED_PROXIES", "-1"),
        ("DURABILITY", "maybe"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_wrong_value_is_refused_in_a_sentence_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{name: value})
    sentence = caught.value.detail
    assert sentence.startswith(f"{name} must ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert (repr(value) in sentence) is (name not in SECRETS)


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_shown_when_it_is_refused(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{name: "hush \n"})
    assert "hush" not in caught.value.detail


def test_no_secret_is_in_the_repr() -> None:
    shown = repr(load(SECRET_KEY="a-secret" * 4, ANON_KEY="an-anon-key", OFFLOAD_SECRET="an-offload-secret"))
    assert not any(secret in shown for secret in ("a-secret", "an-anon-key", "an-offload-secret"))


@pytest.mark.parametrize("environ", [{}, {"SECRET_KEY": ""}, {"SECRET_KEY": " " * 40}])
def test_secret_key_is_required(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"^SECRET_KEY is not set: .*openssl rand -hex 32"):
        load_settings(environ)


def test_nginx_needs_the_offload_secret() -> None:
    with pytest.raises(SettingsError, match=r"^OFFLOAD_SECRET is not set: DOWNLOAD_OFFLOAD=nginx needs it"):
        load(DOWNLOAD_OFFLOAD="nginx")
    assert load(DOWNLOAD_OFFLOAD="nginx", OFFLOAD_SECRET="s" * 16).download_offload == "nginx"


def test_audit_log_lies_outside_the_store(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with pytest.raises(SettingsError, match=r"^AUDIT_LOG must not lie in STORAGE_PATH"):
        load(STORAGE_PATH=str(tmp_path / "store"), AUDIT_LOG=str(tmp_path / "store" / "audit.log"))
    assert load(STORAGE_PATH=str(tmp_path / "store"), AUDIT_LOG=str(tmp_path / "audit.log")).audit_reads is False


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_empty_value_counts_as_not_set(setting: module.Setting) -> None:
    if not setting.required:
        assert load(**{setting.name: ""}) == load(**{setting.name: " "}) == load()


def test_env_example_explains_every_setting() -> None:
    blocks = (ROOT / ".env.example").read_text().strip().split("\n\n")[1:]
    assert blocks == [example(setting) for setting in SETTINGS]


def example(setting: module.Setting) -> str:
    other = f"# {setting.also} is read where it is not set.\n" if setting.also else ""
    mark = "" if setting.required else "# "
    return f"# {setting.help}\n# It takes {setting.kind.rule}.\n{other}{mark}{setting.name}={setting.default}"


@pytest.mark.parametrize("name", ["SECRET_KEY", "SERVICE_KEY"])
def test_sample_key_is_for_trials_alone(name: str) -> None:
    sample = "changeme_super_secret_jwt_key_32_bytes_long"
    with pytest.raises(SettingsError, match=f"{name} is a sample"):
        load(**{name: sample})
    assert load(**{name: sample, "TRIAL": "true"}).trial


def test_only_empty_variables_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WEB_CONCURRENCY", " "), ("THREADS", "7"), ("UNKNOWN", "")):
        monkeypatch.setenv(name, value)
    module.drop_empty_variables()
    assert [name for name in ("WEB_CONCURRENCY", "THREADS", "UNKNOWN") if name in os.environ] == ["THREADS", "UNKNOWN"]
