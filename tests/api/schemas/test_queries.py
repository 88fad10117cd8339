"""What queries may say, and what holds where nothing is said."""

import pytest
from flask.testing import FlaskClient

from storage_app.api.schemas.queries import PageSchema
from tests.support.in_process import ask
from tests.support.raw_http import assert_problem
from tests.support.service import bearer

ALICE = bearer("alice")


def test_no_query_means_what_a_query_that_says_nothing_means(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=ALICE)
    path = "/files/upload-direct/photos/a.txt"
    assert client.put(path, data=b"a", headers=ALICE).status_code == 201
    for query, status in {"": 200, "?&": 200, "?overwrite=false": 409, "?overwrite=": 422}.items():
        # One request must not change what the next one takes for the defaults.
        assert (query, client.put(path + query, data=b"b", headers=ALICE).status_code) == (query, status)
        assert (query, client.put(path, data=b"b", headers=ALICE).status_code) == (query, 200)
    files = [client.get(f"/files/list/photos{query}", headers=ALICE).json for query in ("", "?&", "?limit=1000")]
    assert files[0] == files[1] == files[2] != []


@pytest.mark.parametrize(("sent", "limit"), [("1", 1), ("999", 999), ("1000", 1000), ("1001", 1000), ("5" * 100, 1000)])
def test_limit_above_the_highest_is_taken_for_it(sent: str, limit: int) -> None:
    assert PageSchema().load({"limit": sent})["limit"] == limit


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=-1", "limit=x", "limit=", "limit=1.5", "order=size",
        "delimiter=%2F%2F", "delimiter=%2F&order=-created_at", "delimiter=%2F&search=a", "prefix=%00", "search=%00",
        "search=" + "x" * 256, "offset=-1", "offset=x", "offset=100001", "offset=1&cursor=WyJhIix0cnVlLG51bGwsMF0",
    ],
)  # fmt: skip
def test_wrong_query_names_the_parameter(unchanged: FlaskClient, query: str) -> None:
    problem = assert_problem(ask(unchanged, f"GET /files/list/photos?{query}"), 422, "validation_failed")
    assert list(problem["errors"]) == [query.split("=", maxsplit=1)[0]]
