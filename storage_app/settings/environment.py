"""Where settings come from: the environment and `.env`. No other module reads `os.environ`."""

import os
from collections.abc import Iterable
from pathlib import Path

from dotenv.main import DotEnv

from ..errors import SettingsError


def project_folder(package: Path) -> Path:
    """Return the checkout that `package` lies in or, if it was installed, the current directory."""
    checkout = package.resolve().parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


ROOT = project_folder(Path(__file__).parents[1])
"""The folder that holds `.env`. Relative paths start here, wherever the process goes later."""

# The values of PYTHON_DOTENV_DISABLED that python-dotenv takes for true.
_DOTENV_DISABLED = {"1", "true", "t", "yes", "y"}


def sources() -> dict[str, dict[str, str]]:
    """Return the variables of each source by its name, the one that wins first. Raises `SettingsError`."""
    environment = {name: value for name, value in os.environ.items() if value.strip()}
    if environment.get("PYTHON_DOTENV_DISABLED", "").casefold() in _DOTENV_DISABLED:
        return {"environment": environment}
    return {"environment": environment, ".env": _dotenv(ROOT / ".env")}


def environment_and_dotenv() -> dict[str, str]:
    """Return the variables of both. Raises `SettingsError`."""
    return {name: value for source in reversed(sources().values()) for name, value in source.items()}


def drop_empty(names: Iterable[str]) -> None:
    """Remove the variables of these `names` that are empty from the environment."""
    for name in names:
        if not os.environ.get(name, "").strip():
            os.environ.pop(name, None)


def _dotenv(path: Path) -> dict[str, str]:
    try:
        # override=False: the environment wins inside .env too, where ${NAME} is expanded.
        written = DotEnv(path, override=False, encoding="utf-8").dict()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}): make it a readable UTF-8 text file.") from error
    return {name: value for name, value in written.items() if value is not None}
