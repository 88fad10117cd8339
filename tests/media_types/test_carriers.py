"""The tables of carriers agree with those of names and signatures."""

import pytest

from storage_app.media_types.carriers import CARRIED_BY, REFINED_BY, TEXTUAL, UNSIGNED, WRAPPERS, ZIPPED
from storage_app.media_types.names import normalize
from storage_app.media_types.signatures import RECOGNIZED
from storage_app.media_types.tables import ALIASES


@pytest.mark.parametrize(
    ("table", "types"),
    [
        ("recognized types", set(RECOGNIZED)),
        ("carried types", set(CARRIED_BY)),
        ("carrying types", {kind for kinds in CARRIED_BY.values() for kind in kinds}),
        ("wrappers", set(WRAPPERS)),
        ("textual", set(TEXTUAL)),
        ("unsigned", set(UNSIGNED)),
        ("refining types", {kind for kinds in REFINED_BY.values() for kind in kinds}),
        ("zipped", set(ZIPPED)),
    ],
)
def test_types_are_in_normal_form(table: str, types: set[str]) -> None:
    assert {kind for kind in types if normalize(kind) != kind} == set()


@pytest.mark.parametrize(
    "table",
    [
        RECOGNIZED,
        set(CARRIED_BY) | {kind for kinds in CARRIED_BY.values() for kind in kinds},
        set(REFINED_BY) | {kind for kinds in REFINED_BY.values() for kind in kinds},
        TEXTUAL,
        UNSIGNED,
        WRAPPERS,
    ],
)
def test_tables_have_our_names_of_types(table: set[str]) -> None:
    """A declared alias is looked up by the name that it stands for."""
    assert set(table) & set(ALIASES) == set()


def test_files_can_be_recognized_as_what_carries_or_is_refined() -> None:
    carrying = {kind for kinds in CARRIED_BY.values() for kind in kinds}
    assert (carrying | set(REFINED_BY)) - RECOGNIZED == set()
