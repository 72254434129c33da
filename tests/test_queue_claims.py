"""Who has a right to which place, and that Asterisk's own step leads there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.events import CallId, QueueName, Uniqueid
from cordboard.queue.claims import Claim, Place, aim, steps
from cordboard.queue.decisions import Growth
from cordboard.queue.lines import Entry, Line

GROWTH = Growth(by=1, every=30, up_to=20)


def change_priority(queue: list[list[object]], caller: object, priority: int) -> None:
    """`change_priority_caller_on_queue` of app_queue.c with Immediate, on its linked list: the
    caller is taken out, then put before the first who has less."""
    current = next(entry for entry in queue if entry[0] == caller)
    queue.remove(current)
    current[1] = priority
    inserted = False
    for place, entry in enumerate(queue):
        if not inserted and priority > int(str(entry[1])):
            queue.insert(place, current)
            inserted = True
            break
    if not inserted:
        queue.append(current)


def join(queue: list[list[object]], caller: object, priority: int) -> int:
    """`join_queue` of app_queue.c, without a position asked for; the place, from 1."""
    for place, entry in enumerate(queue):
        if priority > int(str(entry[1])):
            queue.insert(place, [caller, priority])
            return place + 1
    queue.append([caller, priority])
    return len(queue)


def asterisk(line: Sequence[Place], asked: Sequence[Place]) -> list[Place]:
    queue: list[list[object]] = [[uniqueid, priority] for uniqueid, priority in line]
    for uniqueid, priority in asked:
        change_priority(queue, uniqueid, priority)
    return [(Uniqueid(str(entry[0])), int(str(entry[1]))) for entry in queue]


def line_of(*names: str, priority: int = 0) -> list[Place]:
    return [(Uniqueid(name), priority) for name in names]


def claims(**of: Claim) -> dict[Uniqueid, Claim]:
    return {Uniqueid(name): claim for name, claim in of.items()}


def names(line: Sequence[Place]) -> str:
    return "".join(name for name, _ in line)


def test_who_has_a_right_to_more_passes_those_who_have_less() -> None:
    line = line_of("a", "b", "c")
    aimed = aim(line, claims(c=Claim(10, 3.0)), 5.0)
    assert aimed == [("c", 10), ("a", 0), ("b", 0)]
    assert steps(line, aimed) == [("c", 10)]


def test_nothing_is_asked_for_where_all_stand_right() -> None:
    line = [*line_of("v", "w", priority=10), *line_of("a", "b")]
    mine = claims(v=Claim(10, 9.0), w=Claim(10, 1.0, "other"), a=Claim(0, 0.0), b=Claim(0, 0.5))
    assert steps(line, aim(line, mine, 20.0)) == []


def test_of_two_who_are_raised_at_once_the_longer_waiting_goes_first() -> None:
    line = [(Uniqueid("v"), 1), *line_of("b", "a")]
    mine = claims(
        a=Claim(0, 0.0, "regular", GROWTH),
        b=Claim(0, 1.0, "regular", GROWTH),
        v=Claim(1, 29.0, "vip"),
    )
    aimed = aim(line, mine, 31.0)
    assert names(aimed) == "vab"
    assert steps(line, aimed) == [("a", 1), ("b", 1)]


def test_who_comes_late_to_a_rule_passes_those_of_it_who_have_waited_less() -> None:
    """A regular caller who waits since 0 becomes a vip; the vips came later."""
    line = [*line_of("v", "w", priority=10), *line_of("a")]
    mine = claims(v=Claim(10, 5.0, "vip"), w=Claim(10, 7.0, "vip"), a=Claim(10, 0.0, "vip"))
    aimed = aim(line, mine, 20.0)
    assert names(aimed) == "avw"
    assert asterisk(line, steps(line, aimed)) == aimed


def test_who_comes_to_a_priority_of_another_rule_stands_behind_those_who_have_it() -> None:
    line = [*line_of("v", priority=10), *line_of("a")]
    aimed = aim(line, claims(v=Claim(10, 5.0, "vip"), a=Claim(10, 0.0, "starving")), 20.0)
    assert names(aimed) == "va"


def test_a_claim_beside_anothers_keeps_its_side_while_both_grow() -> None:
    theirs = Claim(3, 100.0, "regular", GROWTH)
    ahead, behind, over = theirs.beside(-1), theirs.beside(1), theirs.over()
    for now in range(100, 900, 7):
        line = line_of("b", "t", "a", priority=theirs.at(now))
        found = aim(line, claims(t=theirs, a=ahead, b=behind), float(now))
        assert names(found) == "atb"
        assert over.at(now) == theirs.at(now) + 1


def test_when_more_is_due() -> None:
    claim = Claim(0, 100.0, None, Growth(by=2, every=10, up_to=3))
    assert [claim.at(t) for t in (100, 109, 110, 120, 500)] == [0, 0, 2, 3, 3]
    assert claim.next(104.0) == 110.0
    assert claim.next(120.0) == float("inf")
    assert Claim(5, 0.0).next(1.0) == float("inf")
    assert [claim.raised(priority) for priority in (0, 1, 2, 3, 4)] == [None, 10, 10, 20, None]
    assert replace(claim, floor=100).at(500) == 100
    assert replace(claim, floor=100).over().at(500) == 101


RULES = [None, "regular", "vip", "debtor"]
CLAIMS = st.builds(
    Claim,
    st.integers(-2, 12),
    st.floats(0, 1000),
    st.sampled_from(RULES),
    st.none()
    | st.builds(Growth, st.integers(1, 5), st.sampled_from([5.0, 30.0]), st.integers(1, 20)),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2, 12), st.none() | CLAIMS), max_size=12), st.floats(0, 2000)
)
def test_asterisks_own_step_leads_to_the_order_that_is_right(
    waiting: list[tuple[int, Claim | None]], now: float
) -> None:
    waiting.sort(key=lambda one: -one[0])
    line = [(Uniqueid(str(n)), priority) for n, (priority, _) in enumerate(waiting)]
    mine = {Uniqueid(str(n)): claim for n, (_, claim) in enumerate(waiting) if claim}
    aimed = aim(line, mine, now)
    assert sorted(name for name, _ in aimed) == sorted(name for name, _ in line)
    assert [priority for _, priority in aimed] == sorted((p for _, p in aimed), reverse=True)
    assert asterisk(line, steps(line, aimed)) == aimed
    assert steps(aimed, aim(aimed, mine, now)) == []  # and it stays
    for rule in RULES:  # the longest waiting of a rule passes first among equals
        of_rule = [(-p, mine[u].since) for u, p in aimed if u in mine and mine[u].rule == rule]
        assert of_rule == sorted(of_rule)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("jmlm"), st.integers(0, 9), st.integers(-3, 12)), max_size=30
    )
)
def test_our_line_is_asterisks_whatever_joins_leaves_and_is_moved(
    happens: list[tuple[str, int, int]],
) -> None:
    line, queue = Line(QueueName("q")), list[list[object]]()
    for what, who, priority in happens:
        uniqueid = Uniqueid(str(who))
        there = any(entry[0] == uniqueid for entry in queue)
        if what == "j" and not there:
            place = join(queue, uniqueid, priority)
            entry = Entry(uniqueid, CallId(uniqueid), uniqueid, QueueName("q"), priority, 0.0)
            line.join(entry, place)
        elif what == "l" and there:
            queue[:] = [entry for entry in queue if entry[0] != uniqueid]
            line.leave(uniqueid, "abandoned", 1.0)
        elif what == "m" and there:
            change_priority(queue, uniqueid, priority)
            line.move(uniqueid, priority)
        assert [[e.uniqueid, e.priority] for e in line.entries] == queue


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5),
    st.sampled_from([5.0, 10.0]),
    st.lists(st.integers(0, 3), min_size=200, max_size=200),
)
def test_nobody_waits_for_ever_under_growth_whatever_vips_come(
    by: int, every: float, vips: list[int]
) -> None:
    """One is answered a second, up to three vips come each second, and they grow as well. A
    regular caller who may grow as far as anybody is answered within the time that it takes him to
    grow so far, and those who had as much before him."""
    growth = Growth(by, every, 20)
    queue: list[list[object]] = []
    mine: dict[Uniqueid, Claim] = {}
    regular = Uniqueid("regular")
    mine[regular] = Claim(0, 0.0, "regular", growth)
    join(queue, regular, 0)
    grown = every * -(-20 // by)
    ahead: int | None = None
    for second, coming in enumerate(vips, 1):
        for number in range(coming):
            vip = Uniqueid(f"vip-{second}-{number}")
            mine[vip] = Claim(10, float(second), "vip", growth)
            join(queue, vip, 10)
        line = [(Uniqueid(str(entry[0])), int(str(entry[1]))) for entry in queue]
        for uniqueid, priority in steps(line, aim(line, mine, float(second))):
            change_priority(queue, uniqueid, priority)
        place = next((n for n, entry in enumerate(queue) if entry[0] == regular), None)
        if place is None:
            return
        if second >= grown:
            assert ahead is None or place <= ahead  # nobody passes him any more
            ahead = place
        if queue.pop(0)[0] == regular:
            return
        ahead = None if ahead is None else ahead - 1
