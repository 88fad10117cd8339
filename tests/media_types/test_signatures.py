"""The tables of signatures."""

from storage_app.media_types.signatures import BRANDS, IMAGE_BRANDS, INFIXES, PREFIXES, TEXT_SIGNATURES
from storage_app.media_types.sniffing import HEAD_BYTES, is_text, recognize

# Behind a signature, so that no head is text.
BINARY = b"\x93\x00\x07"


def test_every_prefix_is_recognized() -> None:
    """So no row is hidden by another one above it."""
    wrong = {prefix: recognize(prefix + BINARY) for prefix, kind in PREFIXES if recognize(prefix + BINARY) != kind}
    assert wrong == {}


def test_every_infix_is_recognized() -> None:
    heads = {infix: b"\x93".ljust(place, b"\0") + infix for place, infix, _ in INFIXES}
    assert {recognize(heads[infix]) for _, infix, _ in INFIXES} == {kind for *_, kind in INFIXES}
    assert max(place + len(infix) for place, infix, _ in INFIXES) <= HEAD_BYTES


def test_signature_of_text_is_recognized_in_text_alone() -> None:
    assert [recognize(prefix + b"\n") for prefix, _ in TEXT_SIGNATURES] == [kind for _, kind in TEXT_SIGNATURES]
    assert {recognize(prefix + b" is a word") for prefix, _ in PREFIXES if is_text(prefix)} <= {
        None,
        *(kind for _, kind in TEXT_SIGNATURES),
    }


def test_brands_have_four_bytes() -> None:
    assert {len(brand) for brand in (*BRANDS, *IMAGE_BRANDS)} == {4}
