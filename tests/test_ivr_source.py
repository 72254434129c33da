"""YAML as people write it: each scalar the text that it is, each with its line, and no traps."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.ivr.source import BYTES_AT_MOST, NODES_AT_MOST, Source, SourceError


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(SourceError) as caught:
        Source(text)
    return caught.value.faults


@pytest.mark.parametrize(
    "word",
    ["no", "yes", "on", "off", "012", "1e3", "0x1F", "null", "~", "12:30", "2026-11-23", ".5"],
)
def test_a_word_without_quotes_is_the_text_that_it_is(word: str) -> None:
    source = Source(f"a: {word}\n{word}: b\nc: [{word}]")
    assert source.data == {"a": word, word: "b", "c": [word]}
    assert source.plain[("a",)] == word
    assert ("a",) not in Source(f"a: '{word}'").plain


def test_a_question_needs_no_quotes() -> None:
    assert Source("a: { en: How are you?, ru: Как дела? }").data == {
        "a": {"en": "How are you?", "ru": "Как дела?"}
    }


def test_everything_has_its_line() -> None:
    source = Source("a: 1\nsteps:\n  - say: x\n\n  # here\n  - say: y\n    on: { noinput: z }\n")
    assert source.line("steps", 0, "say") == 3
    assert source.line("steps", 1) == 6
    assert source.line("steps", 1, "on", "noinput", "goto") == 7
    assert source.line("nowhere") == 1


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "a: is there twice, first in line 1"),
        ("a:\n\t- b", 2, "YAML takes no tabs, indent with spaces"),
        ("a: &x 1\nb: *x", 1, "anchors and aliases (& and *) are not read here"),
        ("a: !!python/object/apply:os.system [id]", 1, "the tag tag:yaml.org,2002:python"),
        ("a: !x 1", 1, "the tag !x is not read here"),
        ("a: 1\n---\nb: 2", 2, "a second document (---) is not read here"),
        ("? [a, b]\n: c", 1, "a key must be a word"),
        ("a: [1, 2", 1, "close the bracket, and put a text with"),
        ("a: { en: Hello {name} }", 1, "put a text with { } [ ] , or : in it in quotes"),
        ("a: Yes: no", 1, "put a text with a colon in it in quotes"),
        ("a: @x", 1, "put a text that begins with this character in quotes"),
        ("a: b\nc: \ud800", 2, "half a character is not allowed"),
        ("a: 'x", 1, "is no YAML"),
        ("a: \x07", 1, "is no YAML"),
        ("[" * 25 + "]" * 25, 1, "is nested deeper than 20 levels"),
        ("[" * 100_000, 1, "is nested deeper than 20 levels"),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(
    text: str, line: int, words: str
) -> None:
    found = faults(text)
    assert any(at >= line and words in said for at, said in found), found


def test_all_keys_that_are_there_twice_are_told_at_once() -> None:
    assert [line for line, _ in faults("a: 1\na: 2\nb:\n  c: 1\n  c: 2\n")] == [2, 5]


def test_a_bomb_of_aliases_is_not_expanded() -> None:
    bomb = "a0: &a0 [x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    began = time.perf_counter()
    assert "anchors and aliases" in faults(bomb)[0][1]
    assert time.perf_counter() - began < 5


def test_ten_megabytes_are_refused_before_they_are_read() -> None:
    began = time.perf_counter()
    assert faults("a: b\n" * 2_000_000) == [
        (1, f"the file has 10000000 bytes; a script has {BYTES_AT_MOST} at most")
    ]
    assert time.perf_counter() - began < 1


def test_a_file_with_very_many_values_is_refused() -> None:
    found = faults(f"[{'a,' * (NODES_AT_MOST + 1)}]")
    assert found == [(1, f"has more than {NODES_AT_MOST} values")]


@given(st.text(max_size=200) | st.text(" \n-:[]{}&*!|>'\"#ab\t?%@`", max_size=60))
@settings(max_examples=300)
def test_any_text_is_read_or_told_why_not(text: str) -> None:
    told = []
    try:
        source = Source(text)
        assert source.data is None or isinstance(source.data, dict | list | str)
    except SourceError as error:
        told = error.faults
        assert told
    assert all(line >= 1 and words for line, words in told)
