"""`cordboard simulate` and `cordboard traffic` as somebody types them."""

from __future__ import annotations

import asyncio
import csv
import json
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from store_fixtures import *  # noqa: F403
from test_crm_core_calls import AT, a_call, an_entry
from typed import Said, typed

from cordboard.config import share
from cordboard.crm_core.model import Draft, EntryRecord
from cordboard.crm_core.store import Store

SMALL = """
[arrivals]
"09:00-11:00" = 200
[[customer]]
name = "vip"
share = 0.2
status = "vip"
language = "ru"
[[customer]]
name = "regular"
share = 0.8
status = "regular"
language = "ru"
[[operator]]
count = 14
queues = { support-ru = 0, support = 0 }
shift = "09:00-11:30"
"""
FLAT = 'default_queue = "support"\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "traffic.toml").write_text(SMALL)
    (tmp_path / "flat.toml").write_text(FLAT)
    return tmp_path


def simulate(folder: Path, *words: str | Path, policy: Path | None = None) -> Said:
    chosen = policy or share("routing.toml")
    traffic = folder / "traffic.toml"
    return typed("simulate", "--policy", chosen, "--traffic", traffic, *words, COLUMNS="100")


def test_one_policy_is_told_by_status_with_its_formula_and_erlang_c(files: Path) -> None:
    said = simulate(files)
    assert said.code == 0
    for words in (
        "vip",
        "regular",
        "service level = answered within 20 s / (answered + gave up - gave up within 5 s)",
        "longest wait of the least important (priority 0",
        "occupancy of operators",
        "Erlang C",
        "needs",
    ):
        assert words in said.out
    assert "difference" not in said.out


def test_two_policies_stand_side_by_side_on_the_same_callers(files: Path) -> None:
    words = ("--policy", files / "flat.toml", "--json")
    told = json.loads(simulate(files, *words).out)
    mine, flat = told["policies"]
    assert [mine["policy"], flat["policy"]] == ["routing.toml", "flat.toml"]
    assert mine["all"]["calls"] == flat["all"]["calls"] > 300
    assert mine["by_status"]["vip"]["wait"]["mean"] < flat["by_status"]["vip"]["wait"]["mean"]
    assert mine["least_important"]["priority"] == 0
    assert 0 < mine["occupancy"] <= 100
    assert mine["hours"][0]["needed"] >= 14
    assert set(mine["estimated_wait"]) == {"callers", "error", "bias", "near"}
    assert "difference" in simulate(files, *words[:2]).out


def test_a_queue_that_nobody_of_the_traffic_file_serves_is_told(files: Path) -> None:
    unserved = files / "unserved.toml"
    unserved.write_text(
        FLAT + '[[rule]]\nname="v"\nwhen={status=["vip"]}\naction="queue"\nqueue="gold"'
    )
    said = simulate(files, policy=unserved)
    assert "no operator of the traffic file serves gold, to which " in said.out
    assert "no operator" not in simulate(files).out
    told = json.loads(simulate(files, "--json", policy=unserved).out)["policies"][0]
    assert told["unserved"] == {"gold": told["by_status"]["vip"]["calls"]}


def test_callers_answered_by_their_manager_have_a_column_of_their_own(files: Path) -> None:
    """Also where nobody else answers: they are not those who gave up."""
    traffic = SMALL.replace('language = "ru"', "manager = true", 1)
    nobody = traffic.replace("support-ru = 0, support = 0", "sales = 0")
    more = "patience = { mean = 1e6 }\n[personal]\nanswers = 1\n"
    (files / "traffic.toml").write_text(more + nobody)
    first = files / "first.toml"
    first.write_text(
        FLAT + '[[rule]]\nname="v"\nwhen={status=["vip"]}\naction="queue"\n'
        'first={who="manager", seconds=60}'
    )
    out = simulate(files, policy=first).out
    lines = [line.split() for line in out.splitlines()]
    assert lines[1][:4] == ["ans-", "in", "per-", "gave"]
    vip = json.loads(simulate(files, "--json", policy=first).out)["policies"][0]["by_status"]["vip"]
    calls = vip["calls"]
    assert calls > 50
    assert lines[lines.index(["vip"]) + 1][:5] == ["first.toml", str(calls), "0", str(calls), "0.0"]
    assert vip["abandonment"] == 0
    assert vip["outcomes"] == {"personal": calls, "unfinished": 0}
    assert "personal" not in out


def test_the_same_seed_is_the_same_day_another_is_another(files: Path) -> None:
    first, again, other = (simulate(files, "--json", "--seed", s).out for s in ("1", "1", "2"))
    assert first == again != other


def test_the_chart_is_svg_with_a_line_for_each_status(files: Path) -> None:
    chart = files / "chart.svg"
    assert simulate(files, "--policy", files / "flat.toml", "--chart", chart).code == 0
    drawn = ElementTree.fromstring(chart.read_text())
    names = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"vip", "regular", "routing.toml", "flat.toml"} <= set(names)
    lines = list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(lines) == 4
    assert all(len(line.attrib["points"].split()) >= 4 for line in lines)


def test_the_sample_traffic_is_one_that_can_be_simulated() -> None:
    told = typed(
        *(
            "simulate",
            "--policy",
            share("routing.toml"),
            "--traffic",
            share("traffic.toml"),
            "--json",
        )
    )
    assert told.code == 0
    assert json.loads(told.out)["policies"][0]["all"]["calls"] > 1000


def test_all_faults_of_the_files_are_told_with_their_lines(files: Path) -> None:
    (files / "traffic.toml").write_text(SMALL.replace("count = 14", "count = 0\ncolour = 1"))
    said = simulate(files)
    assert said.code == 1
    assert len(said.lines) == 2
    assert all("traffic.toml:" in line for line in said.lines)
    (files / "flat.toml").write_text("default_queue = 1\n")
    (files / "traffic.toml").write_text("day = 5\n")
    said = simulate(files, "--policy", files / "none.toml", policy=files / "flat.toml")
    assert len(said.lines) == 4
    assert "flat.toml:1: default_queue" in said.lines[0]
    assert "none.toml: No such file or directory" in said.lines[1]
    assert "traffic.toml:" in said.lines[2]


def test_three_policies_are_too_many_to_compare(files: Path) -> None:
    flat = files / "flat.toml"
    assert "two to compare" in simulate(files, "--policy", flat, "--policy", flat).only()


# From the store


async def fill(url: str) -> None:
    store = Store(url)
    await store.open()
    draft = Draft(
        "Иван",
        phones=("+79161234567",),
        status="vip",
        balance_minor=-500,
        segment="gold",
        tags=("debt dispute", 'a "b"', "c"),
    )
    customer = (await store.create_customer(draft)).customer
    answered = a_call("1", customer_id=customer.id, state="ended", ended_at=AT + 110)
    gave_up = a_call("2", number="+359888123456", started_at=AT + 60, ended_at=AT + 100)
    out = a_call("3", direction="out", started_at=AT + 70)
    stays: list[EntryRecord] = [
        an_entry(answered, outcome="connected", left_at=AT + 10),
        an_entry(gave_up, entered_at=AT + 60, outcome="abandoned", left_at=AT + 100),
    ]
    await store.write([answered, gave_up, out, *stays])
    await store.close()


def traffic(folder: Path, *words: str) -> Said:
    return typed("traffic", "--config", folder / "cordboard.toml", *words)


def test_the_calls_of_the_store_become_traffic_without_their_numbers(
    tmp_path: Path, sqlite_url: str
) -> None:
    asyncio.run(fill(sqlite_url))
    (tmp_path / "cordboard.toml").write_text(f'[database]\nurl = "{sqlite_url}"\n')
    said = traffic(tmp_path, "--since", "2026-09-01", "--until", "2026-10-30")
    assert said.code == 0, said.lines
    rows = list(csv.DictReader(StringIO(said.out)))
    first, second = rows
    assert (first["status"], first["balance"], first["outcome"]) == ("vip", "-5.0", "connected")
    assert (first["segment"], first["tags"]) == ("gold", '"debt dispute" "a ""b""" c')
    assert (first["waited"], first["talk"], first["country"]) == ("10.0", "100.0", "RU")
    assert (second["status"], second["outcome"], second["waited"]) == ("", "abandoned", "40.0")
    assert (second["talk"], second["country"]) == ("", "BG")
    assert "79161234567" not in said.out
    assert "359888123456" not in said.out
    assert "Иван" not in said.out
    (tmp_path / "calls.csv").write_text(said.out)
    (tmp_path / "traffic.toml").write_text(
        'recording = "calls.csv"\n[[operator]]\ncount = 1\nqueues = { support-ru = 0 }\n'
    )
    disputed = tmp_path / "disputed.toml"
    disputed.write_text(
        FLAT + '[[rule]]\nname="d"\nwhen={tags=["debt dispute"]}\naction="message"\nto="busy"'
    )
    told = json.loads(simulate(tmp_path, "--json", policy=disputed).out)
    assert told["policies"][0]["by_status"]["vip"]["outcomes"] == {"elsewhere": 1, "unfinished": 0}
    told = json.loads(simulate(tmp_path, "--json").out)
    assert told["policies"][0]["by_status"]["vip"]["calls"] == 1
    assert told["policies"][0]["all"]["calls"] == 2


def test_without_an_end_the_calls_till_now_are_traffic(tmp_path: Path, sqlite_url: str) -> None:
    asyncio.run(fill(sqlite_url))
    (tmp_path / "cordboard.toml").write_text(f'[database]\nurl = "{sqlite_url}"\n')
    ends = traffic(tmp_path, "--since", "2026-09-01", "--until", "2026-10-30")
    till_now = traffic(tmp_path, "--since", "2026-09-01")
    assert till_now.code == 0, till_now.lines
    assert len(till_now.out.splitlines()) == len(ends.out.splitlines()) == 3
    assert "--since is not before now" in traffic(tmp_path, "--since", "2126-01-01").only()


def test_a_time_without_calls_or_that_ends_before_it_begins_is_told(
    tmp_path: Path, sqlite_url: str
) -> None:
    (tmp_path / "cordboard.toml").write_text(f'[database]\nurl = "{sqlite_url}"\n')
    said = traffic(tmp_path, "--since", "2026-01-01", "--until", "2026-01-02")
    assert (said.code, "no incoming call" in said.only()) == (1, True)
    said = traffic(tmp_path, "--since", "2026-01-02", "--until", "2026-01-01")
    assert "--since is not before --until" in said.only()
    assert "write 2026-11-22" in traffic(tmp_path, "--since", "x", "--until", "2026-01-01").only()
