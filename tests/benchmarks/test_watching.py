"""The price of metrics and log, by what each round measured."""

import pytest

from benchmarks import watching


def costs(metrics: float) -> watching.Costs:
    ways = {"neither": [1.0, 2.0, 4.0], "metrics": [metrics, 2 * metrics, 9.0], "metrics and log": [1.2, 2.4, 4.8]}
    return {"a download of 10 KiB": ways, "an upload of 10 KiB": {name: [1.0] for name in ways}}


def test_price_is_the_median_of_rounds() -> None:
    rows = watching.rows(costs(1.03))
    assert rows == [
        ("a download of 10 KiB", "2.00", "+3.0 %", "+20.0 %"),
        ("an upload of 10 KiB", "1.00", "+0.0 %", "+0.0 %"),
    ]


@pytest.mark.parametrize(
    ("metrics", "said"), [(1.04, 0), (1.06, "Metrics cost more than 5 % of a download of 10 KiB.")]
)
def test_metrics_that_cost_too_much_miss_the_bar(monkeypatch: pytest.MonkeyPatch, metrics: float, said: object) -> None:
    monkeypatch.setattr(watching, "measure", lambda *_: costs(metrics))
    with pytest.raises(SystemExit) as ended:
        watching.main([])
    assert ended.value.code == said
