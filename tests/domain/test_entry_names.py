"""Names in an archive: none leads out of the folder that it is extracted to, and no two are one."""

import pytest

from storage_app.domain.entry_names import entry_names, safe_name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a/b c/d.txt", "a/b c/d.txt"),
        ("日本語/Ελληνικά/🦊.png", "日本語/Ελληνικά/🦊.png"),
        (".hidden/a..b", ".hidden/a..b"),
        ("10:30.txt", "10:30.txt"),
        ("..\\..\\evil.exe", ".._.._evil.exe"),
        ("\\\\host\\share", "__host_share"),
        ("C:/evil", "C_/evil"),
        ("a/c:evil", "a/c_evil"),
        (".. /evil", "___/evil"),
        ("... /.. ./x", "____/____/x"),
        ("a. /b ", "a__/b_"),
        ("nul", "_nul"),
        ("a/NUL.txt/b", "a/_NUL.txt/b"),
        ("con .txt", "_con .txt"),
        ("Com1", "_Com1"),
        ("lpt².log", "_lpt².log"),
        ("CONIN$", "_CONIN$"),
        ("nullable", "nullable"),
        ("com10", "com10"),
        ("console.txt", "console.txt"),
    ],
)
def test_what_windows_takes_for_something_else_becomes_an_underscore(key: str, name: str) -> None:
    assert safe_name(key) == name


@pytest.mark.parametrize(
    ("prefix", "keys", "names"),
    [
        ("", ["a", "b/c"], ["a", "b/c"]),
        ("b/", ["b/c", "b/d/e"], ["c", "d/e"]),
        ("b/c", ["b/c", "b/cc/d"], ["c", "cc/d"]),
        ("b", ["b/c"], ["b/c"]),
    ],
)
def test_names_begin_behind_the_last_slash_of_the_prefix(prefix: str, keys: list[str], names: list[str]) -> None:
    assert list(entry_names(keys, prefix)) == names


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["x\\y.jpg", "x_y.jpg"], ["x_y.jpg", "x_y (2).jpg"]),
        (["a.", "a ", "a_", "a_ (2)"], ["a_", "a_ (2)", "a_ (3)", "a_ (2) (2)"]),
        (["a", "a/b"], ["a (2)", "a/b"]),
        (["a.d/x", "a.d", "a.d/x/y"], ["a.d/x (2)", "a (2).d", "a.d/x/y"]),
        ([".b\\", ".b_"], [".b_", ".b_ (2)"]),
    ],
)
def test_name_that_is_taken_by_a_file_or_a_folder_gets_a_number(keys: list[str], names: list[str]) -> None:
    assert list(entry_names(keys, "")) == names
