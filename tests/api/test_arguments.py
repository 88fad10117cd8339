from flask.testing import FlaskClient

from tests.support.service import bearer

ALICE = bearer("alice")


def test_no_query_means_what_a_query_that_says_nothing_means(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=ALICE)
    path = "/files/upload-direct/photos/a.txt"
    assert client.put(path, data=b"a", headers=ALICE).status_code == 201
    for query, status in {"": 200, "?other=1": 200, "?&": 200, "?overwrite=false": 409, "?overwrite=": 422}.items():
        # One request must not change what the next one takes for the defaults.
        assert (query, client.put(path + query, data=b"b", headers=ALICE).status_code) == (query, status)
        assert (query, client.put(path, data=b"b", headers=ALICE).status_code) == (query, 200)
    files = [client.get(f"/files/list/photos{query}", headers=ALICE).json for query in ("", "?other=1", "?limit=1000")]
    assert files[0] == files[1] == files[2] != []
