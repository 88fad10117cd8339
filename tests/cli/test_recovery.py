"""A recovery says to its operator what a start of the service says in the log."""

import logging
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from storage_app.cli.recovery import recover_at_a_start, recover_for_an_operator
from storage_app.settings import Settings


def warned(settings: Settings) -> None:
    """Put something into the store that is no bucket."""
    (settings.storage_path / "old-volume").mkdir(parents=True)


def test_start_speaks_in_the_log(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="storage_app.cli.recovery")
    settings = make_settings()
    warned(settings)
    assert recover_at_a_start(settings) == 0

    said = [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "storage_app.cli.recovery"]
    assert [level for level, _ in said] == ["INFO", "WARNING"]
    assert said[0][1].startswith("The index was made from the sidecars: 0 files in ")
    assert "are no buckets, so they are not served: old-volume. " in said[1][1]
    assert capsys.readouterr() == ("", "")


def test_command_speaks_to_its_operator(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = make_settings()
    warned(settings)
    recover_for_an_operator(settings)

    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].startswith("The index was made from the sidecars: 0 files in ")
    assert "storage_app.cli.recovery" not in caplog.text


def test_failure_is_one_sentence(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings = make_settings(STORAGE_PATH=str(tmp_path / "file"))
    with pytest.raises(click.ClickException) as failed:
        recover_for_an_operator(settings)
    assert recover_at_a_start(settings) == 1
    (record,) = [each for each in caplog.records if each.name == "storage_app.cli.recovery"]
    assert (record.levelname, record.getMessage()) == ("ERROR", failed.value.message)
    assert failed.value.message.startswith(f"STORAGE_PATH={tmp_path / 'file'} cannot be written")
