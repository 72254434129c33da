"""`cordboard reconcile` as somebody types it: what it prints, and its exit code."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from store_fixtures import *  # noqa: F403
from test_accounting import ABANDONED, ANSWERED, BEGAN, Happened, log_of
from typed import Said, typed

from cordboard.crm_core.model import EntryRecord, FactRecord, link_id
from cordboard.crm_core.store import Store
from cordboard.events import derived_id

MISSED = Happened(3, 80.0, "abandoned", 5.0)


class Place:
    """A configuration, a store and a queue_log that agree."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.log = folder / "queue_log"
        self.write_log(*log_of(ANSWERED, ABANDONED))
        self.configure("pbx")
        self.keep(ANSWERED, ABANDONED)

    def configure(self, *names: str) -> None:
        pbx = "".join(
            f'[[pbx]]\nname = "{name}"\nhost = "127.0.0.1"\nuser = "u"\nsecret_file = "s"\n'
            for name in names
        )
        text = f'{pbx}[database]\nurl = "{self.url}"\n[desk]\ntimezone = "Europe/Sofia"\n'
        (self.folder / "s").write_text("secret\n")
        (self.folder / "cordboard.toml").write_text(text)

    def write_log(self, *lines: str) -> None:
        self.log.write_text("".join(f"{line}\n" for line in lines))

    def keep(self, *history: Happened) -> None:
        rows: list[EntryRecord | FactRecord] = []
        for happened in history:
            entry, facts = happened.stored(ahead=2.5)
            call = derived_id(1, entry.call_id)
            rows.append(replace(entry, id=derived_id(1, entry.id), call_id=call))
            rows += [replace(fact, call_id=call) for fact in facts]
        self.write(*rows)

    def write(self, *rows: EntryRecord | FactRecord) -> None:
        async def work() -> None:
            store = Store(self.url)
            await store.open()
            await store.write(rows)
            await store.close()

        asyncio.run(work())

    def reconcile(self, *words: str | Path, log: Path | None = None) -> Said:
        return typed("reconcile", *self.files(log), *words, COLUMNS="80")

    def files(self, log: Path | None = None) -> tuple[str | Path, ...]:
        return "--config", self.folder / "cordboard.toml", "--queue-log", log or self.log

    def told(self, *words: str) -> dict[str, Any]:
        said = self.reconcile("--json", *words)
        told: dict[str, Any] = json.loads(said.out)
        assert said.code == bool(told["unexplained"])
        return told


@pytest.fixture
def place(tmp_path: Path, sqlite_url: str) -> Place:
    return Place(tmp_path, sqlite_url)


def test_books_that_agree_end_with_zero_and_the_sums_of_both_sides(place: Place) -> None:
    said = place.reconcile()
    assert (said.code, said.lines) == (0, [])
    first, *_, last = said.out.splitlines()
    assert first == (
        "queue_log of pbx, 2023-11-15T00:13:10+0200 to 2023-11-15T00:14:22+0200;"
        " our clock less the PBX's: +2.50 s"
    )
    assert last == "2 stays compared, 0 differences, 0 unexplained"
    rows = [line.split() for line in said.out.splitlines() if line.startswith(("supp", "  in"))]
    assert rows[0][1:9] == ["2", "1", "1", "0", "0", "0", "0", "0"]
    assert rows[1][3:11] == rows[0][1:9]
    assert max(len(line) for line in said.out.splitlines()[1:]) <= 80


def test_as_a_process_of_its_own_it_prints_the_same(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cordboard", "reconcile", *place.files()],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, place.reconcile().out, "")


def test_an_unexplained_difference_is_named_and_ends_with_one(place: Place) -> None:
    place.write_log(*log_of(ANSWERED, ABANDONED, MISSED))
    said = place.reconcile()
    assert said.code == 1
    *_, headline, cause, _, last = said.out.splitlines()
    assert headline == (
        f"2023-11-15T00:14:40+0200 support {MISSED.uniqueid}"
        " stay: queue_log says a stay, abandoned, the store nothing"
    )
    assert cause == "  unexplained"
    assert last == "3 stays compared, 1 differences, 1 unexplained"


def test_a_stay_that_passed_while_the_link_was_down_is_explained_and_ends_with_zero(
    place: Place,
) -> None:
    place.write_log(*log_of(ANSWERED, ABANDONED, MISSED))
    link = link_id("pbx")
    place.write(
        FactRecord(link, BEGAN + 81.0, "linkdown", '{"unseen": 10.0}'),
        FactRecord(link, BEGAN + 120.0, "linkup", "{}"),
        FactRecord(link, BEGAN + 121.0, "snapshotdone", "{}"),
    )
    told = place.told()
    assert told["unexplained"] == 0
    (difference,) = told["differences"]
    assert difference == {
        "uniqueid": MISSED.uniqueid,
        "queue": "support",
        "at": "2023-11-15T00:14:40+0200",
        "about": "stay",
        "log": "a stay, abandoned",
        "store": "nothing",
        "cause": "cordboard did not see the PBX between 00:14:28 and 00:15:18",
    }


def test_json_has_the_sums_the_clocks_and_the_differences(place: Place) -> None:
    told = place.told()
    assert (told["compared"], told["differences"], told["left_out"]) == (2, [], [])
    assert told["clock_offset"] == pytest.approx(2.5, abs=0.01)
    (queue,) = told["queues"]
    assert queue["queue"] == "support"
    assert queue["queue_log"]["answered"] == queue["store"]["answered"] == 1
    assert queue["store"]["talk_seconds"] == pytest.approx(30.2)


def test_rotated_files_make_one_log(place: Place) -> None:
    lines = log_of(ANSWERED, ABANDONED)
    old = place.folder / "queue_log.1"
    place.write_log(*lines[3:])
    old.write_text("\n".join(lines[:3]) + "\n")
    assert place.told("--queue-log", str(old))["compared"] == 2


def test_a_period_counts_the_stays_that_began_in_it(place: Place) -> None:
    assert place.told("--since", "2023-11-15T00:14:00")["compared"] == 1
    assert place.told("--until", "2023-11-14T22:14:00+00:00")["compared"] == 1
    assert place.told("--since", "2023-11-14", "--until", "2023-11-16")["compared"] == 2


def test_lines_that_cannot_be_read_are_told_and_the_rest_counts(place: Place) -> None:
    first, *lines = log_of(ANSWERED, ABANDONED)
    place.write_log(first, lines[0], lines[1], "what?", *lines[2:])
    said = place.reconcile()
    assert said.only() == (f"left out: {place.log}:4: not seconds|callid|queue|agent|event|data")
    assert said.code == 0


# What cannot be compared


def test_all_files_that_cannot_be_read_are_told_at_once(place: Place) -> None:
    said = place.reconcile("--queue-log", place.folder, log=place.folder / "none")
    assert said.code == 1
    assert said.lines == [
        f"cordboard: --queue-log {place.folder / 'none'}: No such file or directory",
        f"cordboard: --queue-log {place.folder}: Is a directory",
    ]


def test_a_file_of_another_kind_is_refused_with_its_first_lines_and_how_many_more(
    place: Place,
) -> None:
    place.write_log(*["Nov 22 10:00:00 host asterisk: hello"] * 30)
    said = place.reconcile()
    assert (said.code, said.out, len(said.lines)) == (1, "", 22)
    assert said.lines[0].endswith(":1: not seconds|callid|queue|agent|event|data")
    assert said.lines[-2:] == [
        "cordboard: … and 10 more lines",
        f"cordboard: {place.log}: no line of a queue_log is in it",
    ]


def test_an_empty_file_is_refused(place: Place) -> None:
    place.write_log()
    assert place.reconcile().only() == f"cordboard: {place.log}: no line of a queue_log is in it"


def test_the_log_of_another_pbx_is_refused_in_these_words(place: Place) -> None:
    place.write_log(*(line.replace(f"|{BEGAN}.", "|17.") for line in log_of(ANSWERED, ABANDONED)))
    said = place.reconcile()
    assert (said.code, said.out) == (1, "")
    assert "not one of the 2 callers in this queue_log is among the 2" in said.only()
    assert "another PBX (--pbx)" in said.only()


def test_a_store_without_any_stay_of_that_time_is_told_as_such(place: Place) -> None:
    place.configure("other")
    assert "the store has no stay in a queue of other" in place.reconcile().only()


def test_a_period_that_the_log_does_not_cover_is_refused_with_what_it_covers(place: Place) -> None:
    said = place.reconcile("--since", "2024-01-01")
    assert said.code == 1
    assert "goes from 2023-11-15T00:13:10+0200 to 2023-11-15T00:14:22+0200" in said.only()


def test_a_time_that_is_none_is_refused_with_an_example(place: Place) -> None:
    assert "--since yesterday: not a day or a time; write 2026-11-22" in (
        place.reconcile("--since", "yesterday").only()
    )


def test_with_several_pbxs_it_must_be_said_whose_log_it_is(place: Place) -> None:
    place.configure("north", "pbx")
    assert "Say --pbx with one of the [[pbx]] names: north, pbx" in place.reconcile().only()
    assert "it has north, pbx" in place.reconcile("--pbx", "south").only()
    assert place.reconcile("--pbx", "pbx").code == 0


def test_a_database_that_is_away_is_told_in_one_line(place: Place) -> None:
    place.url = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
    place.configure("pbx")
    assert place.reconcile().only().startswith("cordboard: [database] url: ")


def test_a_night_without_the_server_is_told_and_not_taken_for_another_pbx(place: Place) -> None:
    place.write_log(*log_of(MISSED))
    link = link_id("pbx")
    place.write(
        FactRecord(link, BEGAN + 70.0, "linkdown", '{"unseen": 4.0}'),
        FactRecord(link, BEGAN + 120.0, "linkup", "{}"),
    )
    told = place.told("--since", "2023-11-15T00:14:30")
    assert [item["cause"] for item in told["differences"]] == [
        "cordboard has not seen the PBX since 00:14:23"
    ]
