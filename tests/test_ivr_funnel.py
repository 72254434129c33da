"""The funnel: every visit to a step is accounted for once, and every number says how it came."""

from __future__ import annotations

import json
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from cordboard.ivr.flowchart import draw
from cordboard.ivr.funnel import Walk, funnel_of, merged, notes_of, quantile, strays
from cordboard.ivr.graph import graph_of
from cordboard.ivr.script import Script

SCRIPT = Script.parse("""
version: 1
name: menu
languages: [en]
steps:
  - id: hello
    say: Hello
  - id: menu
    menu:
      prompt: Which
      choices: { "1": hello, "2": person, "3": { text: the end, goto: bye } }
    on: { noinput: bye }
  - id: person
    route: { queue: support }
  - id: bye
    hangup: Bye
""")
FLOW = graph_of(SCRIPT, "en", str)
NOW = 1_795_338_000.0


def walk(
    name: str,
    *path: tuple[str, str, float],
    outcome: str | None = "hung-up",
    step: str = "end",
    began: float = NOW,
    version: str = SCRIPT.fingerprint,
) -> Walk:
    """The times of `path` are seconds after the beginning."""
    steps = tuple((at_step, way, began + at) for at_step, way, at in path)
    ended = None if outcome is None else began + 60
    return Walk(name, version, began, ended, outcome, step, steps)


WALKS = [
    walk("a", ("hello", "next", 2), ("menu", "2", 5), ("person", "route", 5), outcome="routed",
         step="person"),
    walk("b", ("hello", "next", 4), ("menu", "1", 6), ("hello", "next", 9), ("menu", "hangup", 10)),
    walk("c", ("hello", "next", 3), outcome="interrupted", step="menu"),
    walk("d", ("hello", "next", 3), outcome=None, step="menu"),
    walk("e", ("hello", "next", 2), ("menu", "noinput", 20), ("bye", "end", 22),
         outcome="completed", step="bye"),
    walk("f", outcome="hung-up", step="hello"),
    walk("g", ("hello", "next", 2), ("menu", "7", 9), outcome="completed", version="old"),
]  # fmt: skip


def test_shares_times_and_hang_ups_of_made_up_runs() -> None:
    funnel = funnel_of(WALKS, SCRIPT.fingerprint, NOW, NOW + 1)
    assert (funnel.runs, funnel.older) == (7, 1)
    hello, menu = funnel.steps["hello"], funnel.steps["menu"]
    assert (hello.reached.times, hello.reached.callers) == (8, 7)
    assert (hello.ways["next"].times, hello.hung_up.times) == (7, 1)
    assert {way: count.times for way, count in menu.ways.items()} == {
        "1": 1, "2": 1, "7": 1, "noinput": 1,
    }  # fmt: skip
    assert menu.reached.times == 7
    assert menu.hung_up.last == ["b"]
    assert menu.broken["interrupted"].times == 1
    assert menu.here.times == 1
    assert sorted(menu.ways["noinput"].seconds) == [18]
    assert hello.ways["next"].median == 3
    assert hello.ways["next"].p90 == 4
    assert funnel.steps["person"].ways["route"].times == 1
    assert funnel.outcomes == {
        "routed": 1, "hung-up": 2, "interrupted": 1, "running": 1, "completed": 2,
    }  # fmt: skip


def test_runs_from_before_and_after_the_period_are_left_out() -> None:
    early, late = walk("x", began=NOW - 1), walk("y", began=NOW + 1)
    assert funnel_of([early, late, *WALKS], "", NOW, NOW + 1).runs == len(WALKS)


STEPS = st.sampled_from(["hello", "menu", "person", "bye", "gone"])


@st.composite
def anything(draw: st.DrawFn) -> Walk:
    """A run as no script of today would have it."""
    ways = st.sampled_from(["next", "1", "2", "noinput", "hangup", "route", "end", "old"])
    path = draw(st.lists(st.tuples(STEPS, ways, st.floats(0, 100)), max_size=8))
    outcome = draw(
        st.sampled_from(
            ["completed", "routed", "hung-up", "refused", "interrupted", "failed", None]
        )
    )
    step = draw(STEPS | st.just("end"))
    return walk(str(draw(st.integers(0, 3))), *path, outcome=outcome, step=step)


@given(st.lists(anything(), max_size=8))
def test_nobody_is_lost_and_nobody_counted_twice(walks: list[Walk]) -> None:
    funnel = funnel_of(walks, "", NOW, NOW + 1)
    for visits in funnel.steps.values():
        left = sum(count.times for count in visits.ways.values())
        broken = sum(count.times for count in visits.broken.values())
        assert visits.reached.times == left + visits.hung_up.times + broken + visits.here.times
    reached = sum(visits.reached.times for visits in funnel.steps.values())
    assert reached >= sum(len(each.path) for each in walks)
    assert reached <= sum(len(each.path) + 1 for each in walks)
    # On the chart stands all of it, or beside it.
    drawn = sum(
        merged(funnel.steps[edge.source], edge.ways).times
        for edge in FLOW.edges
        if edge.source in funnel.steps
    )
    shown = drawn + sum(count.times for _, _, count in strays(funnel, FLOW))
    for step, visits in funnel.steps.items():
        if step != "gone":
            shown += visits.hung_up.times + visits.here.times
            shown += sum(count.times for count in visits.broken.values())
            shown += sum(visits.ways[way].times for way in ("route", "end") if way in visits.ways)
        else:
            shown += visits.here.times
    assert shown == reached
    draw(FLOW, notes_of(funnel, FLOW, 7, str))


def test_what_an_older_version_did_stands_beside_the_chart() -> None:
    funnel = funnel_of(WALKS, SCRIPT.fingerprint, NOW, NOW + 1)
    assert [(step, way, count.times) for step, way, count in strays(funnel, FLOW)] == [
        ("menu", "7", 1)
    ]
    *_, last = notes_of(funnel, FLOW, 7, str).legend
    assert last == "Not on the chart, since this version has no such way: menu › 7 (1)"


def test_every_number_says_of_how_many_it_is() -> None:
    notes = notes_of(funnel_of(WALKS, SCRIPT.fingerprint, NOW, NOW + 1), FLOW, 1, str)
    mark = notes.ways["menu", "noinput nomatch"]
    assert mark.text == "14 % · 1"
    assert mark.tip == (
        "no input, no match: 1 of 7 who reached the step (14 %), 1 callers;"
        " median 18 s, 90 % within 18 s (n = 1); no input 1"
    )
    assert mark.breadth == 1 / 7
    assert notes.ways["menu", "3"].text == ""
    assert notes.ways["menu", "3"].breadth == 0
    footing = notes.steps["menu"]
    assert footing.text == "7 · 3 s"
    assert [each.text for each in footing.exits] == ["hung up 1 (14 %)", "interrupted 1"]
    assert footing.exits[0].tip == "1 of 7 hung up here (14 %)"
    assert notes.legend[0] == (
        "Runs in the last 24 hours: 7, of them 1 of older versions of the script."
    )
    svg = draw(FLOW, notes)
    assert "hung up 1 (14 %)" in svg
    assert 'class="flow-arrow flow-down flow-unused"' in svg


def test_a_quantile_is_a_value_that_was_measured() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0, 1.0], 0.5) == 1.0
    assert quantile([float(n) for n in range(1, 101)], 0.9) == 90.0
    assert quantile([7.0], 0.9) == 7.0


def test_a_walk_is_read_from_a_row_of_the_store() -> None:
    path = json.dumps([["hello", "next", NOW + 2], ["menu", "hangup", NOW + 3]])
    row = SimpleNamespace(
        id="r", version="v", started_at=NOW, ended_at=NOW + 3, outcome="hung-up", step="menu",
        path=path,
    )  # fmt: skip
    funnel = funnel_of([Walk.of(row)], "v", NOW, NOW + 1)
    assert funnel.steps["menu"].reached.times == 1
    assert funnel.steps["menu"].hung_up.seconds == [1.0]
