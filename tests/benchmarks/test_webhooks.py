"""The price of webhooks, by what each round measured."""

import pytest

from benchmarks import webhooks


@pytest.mark.parametrize(("least", "said"), [(0.81, 0), (0.79, "Misses its bar: DURABILITY=fsync.")])
def test_price_is_the_median_of_rounds(capsys, monkeypatch, least: float, said: object) -> None:
    ways = {"without": [100.0, 200.0, 400.0], "with": [100 * least, 200 * least, 1.0]}
    rates = {"none": {"without": [100.0], "with": [95.0]}, "fsync": ways}
    monkeypatch.setattr(webhooks, "measure", lambda *_: rates)
    with pytest.raises(SystemExit) as ended:
        webhooks.main([])
    assert ended.value.code == said
    assert f"{least:.2f}" in capsys.readouterr().out
