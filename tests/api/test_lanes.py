"""The routes in lanes are found however a client spells them."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app.api.lanes import LISTS, Lane, finder


@pytest.fixture(scope="module")
def app(client_of_all: FlaskClient) -> Flask:
    return client_of_all.application


@pytest.mark.parametrize(
    ("request_line", "lane"),
    [
        ("GET /files/list/photos", LISTS),
        ("HEAD /files/list/photos", LISTS),
        ("GET /files/l%69st/ph%6ftos", LISTS),
        ("GET /files/list/a%0Ab", LISTS),
        ("GET /files/list/%FF", LISTS),
        ("GET /buckets", LISTS),
        ("GET /%62uckets", LISTS),
        ("POST /buckets", None),
        ("OPTIONS /buckets", None),
        ("GET /buckets/photos", None),
        ("GET /files/list/", None),
        ("GET /health", None),
        ("GET /files/download/photos/files/list/photos", None),
        ("DELETE /files/list/photos", None),
        ("GET ", None),
    ],
)
def test_lists_are_a_lane(app: Flask, request_line: str, lane: Lane | None) -> None:
    method, _, path = request_line.partition(" ")
    assert finder(app)(method, path) is lane


def test_application_without_lanes_has_none() -> None:
    assert finder(Flask("empty"))("GET", "/") is None
