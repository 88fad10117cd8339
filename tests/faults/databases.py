"""Databases of a PostgreSQL server to break: copied for each fault, emptied, dropped."""

import itertools
import os

import psycopg
import sqlalchemy as sa
from psycopg import sql

_numbers = itertools.count(1)


def copy(url: str) -> str:
    """Copy the database, which nobody may be changing, and return the URL of the copy."""
    name = f"copy_{os.getpid()}_{next(_numbers)}"
    _disconnect(url)
    _run(url, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), _name(url)))
    return _with_name(url, name)


def empty(url: str) -> None:
    """Take everything out of the database."""
    drop(url)
    _run(url, sql.SQL("CREATE DATABASE {}").format(_name(url)))


def drop(url: str) -> None:
    _run(url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(_name(url)))


def _disconnect(url: str) -> None:
    """End the connections of processes that are gone: the server may not have noticed yet."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}"
    _run(url, sql.SQL(query).format(sql.Literal(sa.make_url(url).database)))


def _run(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(_with_name(url, "postgres"), autocommit=True) as connection:
        connection.execute(statement)


def _name(url: str) -> sql.Identifier:
    return sql.Identifier(sa.make_url(url).database or "")


def _with_name(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)
