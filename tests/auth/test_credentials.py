"""Logins and the anonymous key: who sent these headers."""

import json
import time
from typing import Any

import pytest

from storage_app.auth.credentials import LEEWAY_SECONDS, Logins
from storage_app.domain.principals import ANONYMOUS, NOBODY, SERVICE, Principal, PrincipalKind
from storage_app.errors import InvalidCredential
from tests.support.jwts import KEY, OTHER_KEY, claims, encoded, made

ANON_KEY = "an-anonymous-key-for-tests"
LOGINS = Logins(KEY, "HS256", ANON_KEY)
ALICE = Principal(PrincipalKind.USER, "alice")


def who(token: str, logins: Logins = LOGINS) -> Principal:
    return logins.principal(authorization=f"Bearer {token}", api_key=None)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_login_of_the_configured_algorithm_is_a_user(algorithm: str) -> None:
    logins = Logins(KEY, algorithm, None)
    assert who(logins.issue("alice"), logins) == ALICE
    assert who(made(claims(), algorithm=algorithm), logins) == ALICE


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"role": "service_role"}, PrincipalKind.SERVICE),
        ({"role": "authenticated"}, PrincipalKind.USER),
        ({"role": ["service_role"]}, PrincipalKind.USER),
        ({"role": "SERVICE_ROLE"}, PrincipalKind.USER),
        ({"is_admin": True}, PrincipalKind.USER),
        ({"aud": "somewhere", "iss": "the backend", "jti": "1"}, PrincipalKind.USER),
    ],
)
def test_role_makes_the_service(changed: dict[str, Any], kind: PrincipalKind) -> None:
    assert who(made(claims(**changed))) == Principal(kind, "alice")


def test_issued_service_token_is_the_service() -> None:
    assert who(LOGINS.issue("backend", role="service_role")) == Principal(PrincipalKind.SERVICE, "backend")


@pytest.mark.parametrize("sub", ["a", "a b", "猫", "x" * 255, "é" * 127, "@authenticated", "user:1/2"])
def test_sub_is_taken_as_it_is(sub: str) -> None:
    assert who(made(claims(sub=sub))) == Principal(PrincipalKind.USER, sub)


def test_expiry_may_be_a_float() -> None:
    assert who(made(claims(exp=time.time() + 60.75))) == ALICE


@pytest.mark.parametrize("age", [-LEEWAY_SECONDS, 0, LEEWAY_SECONDS - 10])
def test_login_is_accepted_within_the_leeway(age: int) -> None:
    assert who(made(claims(exp=int(time.time()) - age))) == ALICE


@pytest.mark.parametrize("age", [LEEWAY_SECONDS, LEEWAY_SECONDS + 1, 10**9])
def test_login_beyond_the_leeway_has_expired(age: int) -> None:
    with pytest.raises(InvalidCredential, match="has expired"):
        who(made(claims(exp=int(time.time()) - age)))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"sub": None}, "no 'sub' claim"),
        ({"exp": None}, "no 'exp' claim"),
        ({"sub": ""}, "'sub' claim must be"),
        ({"sub": "x" * 256}, "'sub' claim must be"),
        ({"sub": "é" * 128}, "'sub' claim must be"),
        ({"sub": "a\nb"}, "'sub' claim must be"),
        ({"sub": "a\ud800"}, "'sub' claim must be"),
        ({"sub": 42}, "'sub' claim must be text"),
        ({"sub": ["alice"]}, "'sub' claim must be text"),
        ({"sub": {"id": 1}}, "'sub' claim must be text"),
        ({"exp": float("inf")}, "'exp' claim must be a number"),
        ({"exp": float("-inf")}, "'exp' claim must be a number"),
        ({"exp": float("nan")}, "'exp' claim must be a number"),
        ({"exp": "soon"}, "'exp' claim must be a number"),
        ({"exp": []}, "'exp' claim must be a number"),
        ({"exp": {}}, "'exp' claim must be a number"),
        ({"nbf": []}, "'nbf' claim must be a number"),
        ({"nbf": "soon"}, "'nbf' claim must be a number"),
        ({"nbf": 10**12}, "not valid yet: its 'nbf' is beyond the year 9999, and it is 20"),
        (
            {"nbf": 4102444800},
            "not valid yet: its 'nbf' is 2100-01-01T00:00:00Z, and it is 20.* here; compare the clocks",
        ),
        ({"exp": 86400}, "has expired: its 'exp' is 1970-01-02T00:00:00Z, and it is 20.* here; get a new one"),
        ({"exp": 86400.5}, "has expired: its 'exp' is 1970-01-02T00:00:00Z"),
        ({"exp": -(10**12)}, "has expired: its 'exp' is beyond"),
    ],
)
def test_login_with_wrong_claims_is_refused(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidCredential, match=sentence) as refused:
        who(made(claims(**changed)))
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    assert refused.value.detail.endswith(".")


@pytest.mark.parametrize(
    "changed",
    [
        {"iat": time.time() + 45},
        {"iat": 10**12},
        {"iat": float("inf")},
        {"iat": "yesterday"},
        {"jti": 5},
        {"nbf": int(time.time()) + 20},
        {"nbf": time.time() - 3600.5},
    ],
)
def test_claim_that_refuses_nothing_is_ignored(changed: dict[str, Any]) -> None:
    """RFC 7519 section 4.1.6: `iat` may be used to tell a token's age, and for no more."""
    assert who(made(claims(**changed))) == ALICE


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"kid": 1}, "'kid' that is not text"),
        ({"kid": None}, "'kid' that is not text"),
        ({"crit": ["x"], "x": 1}, "extensions in 'crit'"),
        ({"crit": []}, "extensions in 'crit'"),
        ({"crit": "exp"}, "extensions in 'crit'"),
    ],
)
def test_wrong_header_of_a_login_is_named(header: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidCredential, match=sentence):
        who(made(claims(), header=header))


@pytest.mark.parametrize("header", [{"kid": "1"}, {"typ": "at+jwt"}, {"typ": 5}, {"cty": "x"}, {"jku": "https://x"}])
def test_other_members_of_the_header_are_ignored(header: dict[str, Any]) -> None:
    assert who(made(claims(), header=header)) == ALICE


NO_LOGINS = {
    "another key": made(claims(), key=OTHER_KEY),
    "another algorithm of the same key": made(claims(), algorithm="HS512"),
    "unsigned": made(claims(), algorithm="none"),
    "unsigned, spelled otherwise": made(claims(), algorithm="None"),
    "an algorithm with public keys": made(claims(), algorithm="RS256"),
    "another signature": made(claims())[:-4] + "AAAA",
    "no signature": made(claims()).rpartition(".")[0],
    "empty signature": made(claims()).rpartition(".")[0] + ".",
    "no object": made(["sub", "exp"]),
    "a string": made("alice"),
    "null": made(None),
    "a header nested deeply": encoded(b"[" * 5000) + ".e30.AAAA",
    "a header that is not UTF-8": encoded(b"\xff") + ".e30.AAAA",
    "a header that is no object": encoded(b"[]") + ".e30.AAAA",
    "a header without algorithm": encoded(b"{}") + ".e30.AAAA",
    "garbage": "garbage",
    "garbage in three parts": "a.b.c",
    "three empty parts": "..",
    "five empty parts": "....",
    "outside ASCII": "Ünïcödé",
    "a null byte": "\0",
    "nearly the anonymous key": ANON_KEY + "x",
    "the secret itself": KEY,
}


@pytest.mark.parametrize("token", NO_LOGINS.values(), ids=NO_LOGINS)
def test_credential_that_is_no_login_is_refused(token: str) -> None:
    with pytest.raises(InvalidCredential):
        who(token)


def test_tampered_claims_are_refused() -> None:
    header, _, signature = made(claims()).split(".")
    with pytest.raises(InvalidCredential, match="not signed with"):
        who(f"{header}.{encoded(json.dumps(claims(sub='root')).encode())}.{signature}")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_scheme_is_case_insensitive(scheme: str) -> None:
    assert LOGINS.principal(authorization=f" {scheme}  {made(claims())} ", api_key=None) == ALICE


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer  \t", "Basic YTpi", "Digest x", made(claims()), ANON_KEY]
)
def test_authorization_of_another_form_is_refused(header: str) -> None:
    with pytest.raises(InvalidCredential, match="must be 'Bearer <token>'"):
        LOGINS.principal(authorization=header, api_key=None)


@pytest.mark.parametrize(
    ("authorization", "api_key", "principal"),
    [
        (None, None, NOBODY),
        ("", None, NOBODY),
        (" \t", None, NOBODY),
        (None, "", NOBODY),
        ("", " ", NOBODY),
        ("", ANON_KEY, ANONYMOUS),
        (f"Bearer {ANON_KEY}", "", ANONYMOUS),
        (None, ANON_KEY, ANONYMOUS),
        (f"Bearer {ANON_KEY}", None, ANONYMOUS),
        (f"Bearer {ANON_KEY}", "wrong", ANONYMOUS),
        (f"Bearer {made(claims(exp=2_000_000_000))}", ANON_KEY, ALICE),
        (f"Bearer {made(claims(exp=2_000_000_000))}", "wrong", ALICE),
    ],
)
def test_bearer_decides(authorization: str | None, api_key: str | None, principal: Principal) -> None:
    assert LOGINS.principal(authorization=authorization, api_key=api_key) == principal


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        ("", "wrong"),
        (None, "wrong"),
        (None, "Ü"),
        (None, ANON_KEY[:-1]),
        (None, made(claims())),
        ("Bearer x", ANON_KEY),
    ],
)
def test_wrong_key_is_refused_even_beside_a_right_one(authorization: str | None, api_key: str) -> None:
    with pytest.raises(InvalidCredential):
        LOGINS.principal(authorization=authorization, api_key=api_key)


@pytest.mark.parametrize("sent", ["None", ANON_KEY])
def test_without_anon_key_nobody_is_anonymous(sent: str) -> None:
    logins = Logins(KEY, "HS256", None)
    for authorization, api_key in ((f"Bearer {sent}", None), (None, sent)):
        with pytest.raises(InvalidCredential):
            logins.principal(authorization=authorization, api_key=api_key)


SERVICE_KEY = "a-service-key-of-32-characters-or-more"
WITH_KEYS = Logins(KEY, "HS256", ANON_KEY, SERVICE_KEY)


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [(f"Bearer {SERVICE_KEY}", None), (None, SERVICE_KEY), (f"Bearer {SERVICE_KEY}", ANON_KEY)],
)
def test_service_key_is_the_service(authorization: str | None, api_key: str | None) -> None:
    assert WITH_KEYS.principal(authorization=authorization, api_key=api_key) == SERVICE
    assert SERVICE.kind is PrincipalKind.SERVICE


def test_anonymous_key_stays_anonymous_beside_a_service_key() -> None:
    assert who(ANON_KEY, WITH_KEYS) == WITH_KEYS.principal(authorization=None, api_key=ANON_KEY) == ANONYMOUS


@pytest.mark.parametrize("logins", [LOGINS, Logins(KEY, "HS256", None, OTHER_KEY)])
@pytest.mark.parametrize(("authorization", "api_key"), [(f"Bearer {SERVICE_KEY}", None), (None, SERVICE_KEY)])
def test_other_key_is_nobodys(logins: Logins, authorization: str | None, api_key: str | None) -> None:
    with pytest.raises(InvalidCredential):
        logins.principal(authorization=authorization, api_key=api_key)


def test_no_user_has_the_id_of_the_service_key() -> None:
    """It would own what the holder of the key has created."""
    with pytest.raises(InvalidCredential, match="SERVICE_KEY"):
        who(made(claims(sub=SERVICE.sub)))
    assert who(made(claims(sub=SERVICE.sub, role="service_role"))) == SERVICE
