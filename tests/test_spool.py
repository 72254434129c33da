"""The spool: what was appended is read back, in order, whatever happened to the file."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.crm_core.model import (
    AuditRecord,
    CallRecord,
    EntryRecord,
    FactRecord,
    Interaction,
    Record,
    WrapUp,
)
from cordboard.errors import UserError
from cordboard.spool import Spool

CALL = CallRecord(
    "c1", "pbx", "b1", "1.1", "+79161234567", "Иван\n\ud800\0", "100", None, "sales", None,
    "in", "talking", None, "[]", 1790000000.125, None, None,
)  # fmt: skip
ENTRY = EntryRecord("e1", "c1", "pbx", "b1", "1.1", "sales", 3, 1.5, None, None, None)
CONTACT = Interaction("i1", None, "c1", "anna", "sales", 1.5, None, None, None, "")
WRAPUP = WrapUp("c1", "anna", None, "позвонить", "callback", 7.25)


AUDIT = AuditRecord("a1", 2.5, "maria", "supervisor", "call", "move", "c1", "why", "{}", "{}")


def fact(word: str) -> FactRecord:
    return FactRecord("c1", 0.1 + 0.2, word, "{}")


def opened(path: Path, limit: int = 2**20) -> Spool:
    spool = Spool(path, limit)
    spool.open()
    return spool


def drain(spool: Spool, most: int = 2) -> list[Record]:
    found: list[Record] = []
    while (batch := spool.read(most)).lines:
        found += batch.records
        spool.done(batch)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "a.spool"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    made = opened(path)
    yield made
    made.close()


def test_every_kind_of_record_comes_back_unchanged_and_in_order(spool: Spool) -> None:
    group: list[Record] = [CALL, ENTRY, CONTACT, WRAPUP, fact("held"), AUDIT]
    spool.append(group[:3])
    spool.append(group[3:])
    assert (spool.left, list(spool.records())) == (6, group)
    assert drain(spool) == group
    assert spool.left == 0


def test_it_is_for_its_owner_alone(path: Path) -> None:
    path.parent.mkdir()
    path.touch(0o644)
    opened(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_not_replayed_is_there_for_the_next_start_and_what_was_comes_again(
    spool: Spool, path: Path
) -> None:
    spool.append([fact("a"), fact("b"), fact("c")])
    spool.done(spool.read(2))  # in the database; then the server dies
    again = opened(path)
    assert again.left == 3
    assert drain(again) == [fact("a"), fact("b"), fact("c")]
    again.clear()
    assert (again.size, path.stat().st_size, again.read(9).lines) == (0, 0, 0)
    again.close()


def test_a_line_that_was_cut_off_is_dropped_and_counted_and_the_next_is_whole(path: Path) -> None:
    first = opened(path)
    first.append([fact("a"), fact("b")])
    first.close()
    os.truncate(path, path.stat().st_size - 7)
    again = opened(path)
    assert (again.left, again.damaged) == (1, 1)
    again.append([fact("c")])
    assert drain(again) == [fact("a"), fact("c")]
    again.close()


def test_a_damaged_line_is_passed_over_counted_and_put_aside_for_a_person(path: Path) -> None:
    first = opened(path)
    first.append([fact("a"), fact("b"), fact("c")])
    first.close()
    data = bytearray(path.read_bytes())
    data[data.index(b'"b"') + 1] = ord("X")
    path.write_bytes(data)
    again = opened(path)
    batch = again.read(9)
    assert (list(batch.records), batch.damaged) == ([fact("a"), fact("c")], 1)
    again.done(batch)
    again.clear()
    assert again.damaged == 1
    aside = path.with_name("a.spool.damaged")
    assert aside.read_bytes() == bytes(data)
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    again.append([fact("d")])
    assert drain(again) == [fact("d")]
    again.close()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"zzzzzzzz {}",
        b"00000000 {}",
        b"a3830348 {}",
        b"\xff\xfe\0",
        b"8587d865 x",
    ],
)
def test_what_is_no_record_is_damaged(path: Path, line: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(line + b"\n")
    spool = opened(path)
    assert spool.read(9).damaged == 1
    spool.close()


@given(cut=st.integers(0, 400), junk=st.binary(max_size=40))
def test_records_before_the_damage_are_kept_wherever_it_begins(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.spool"
    first = opened(path)
    group = [fact(word) for word in "abc"]
    ends = []
    for each in group:
        first.append([each])
        ends.append(first.size)
    first.close()
    path.write_bytes(path.read_bytes()[:cut] + junk)
    again = opened(path)
    whole = [each for each, end in zip(group, ends, strict=True) if end <= cut]
    assert drain(again)[: len(whole)] == whole
    again.append([CALL])
    assert drain(again) == [CALL]
    again.close()


def test_more_than_its_limit_is_refused_whole(path: Path) -> None:
    spool = opened(path, 200)
    spool.append([fact("a")])
    before = path.read_bytes()
    with pytest.raises(OSError, match="holds its 200 bytes"):
        spool.append([fact("b"), CALL])
    assert path.read_bytes() == before
    spool.append([fact("c")])
    assert drain(spool) == [fact("a"), fact("c")]
    spool.close()


@contextmanager
def _file_size(most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_in_the_middle_of_a_group_leaves_nothing_of_it(spool: Spool) -> None:
    spool.append([fact("a")])
    with _file_size(spool.size + 100), pytest.raises(OSError, match="too large"):
        spool.append([fact("b"), fact("c"), fact("d")])
    assert spool.left == 1
    spool.append([fact("e")])
    assert drain(spool) == [fact("a"), fact("e")]


def _no_folder(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "a.spool"


def _a_folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("place", [_no_folder, _a_folder])
def test_a_place_where_no_file_can_be_is_said_in_words(
    tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    with pytest.raises(UserError, match=r"\[spool\] path .*; name a file"):
        Spool(place(tmp_path), 100).open()
