"""queue_log against the store: each cause, and that nothing else passes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.accounting import Account, account
from cordboard.crm_core.model import EntryRecord, FactRecord, link_id
from cordboard.cti.queue_log import read_queue_log
from cordboard.evidence import Gap, gaps_of

BEGAN = 1_700_000_000
PHONE, LEG, CALLER = "PJSIP/1001-1", "1.99", "PJSIP/trunk-1"


@dataclass(frozen=True)
class Happened:
    """What befell one caller; times in seconds, `at` after BEGAN."""

    number: int
    at: float
    outcome: str
    waited: float
    talked: float = 0.0
    transferred: bool = False
    queue: str = "support"

    @property
    def uniqueid(self) -> str:
        return f"{BEGAN}.{self.number}"

    @property
    def entered(self) -> float:
        return BEGAN + self.at

    @property
    def left(self) -> float:
        return self.entered + self.waited

    @property
    def over(self) -> float:
        return self.left + self.talked

    def logged(self) -> list[str]:
        """As Asterisk 22 writes it: each moment and each duration in whole seconds."""
        begin, left, over = int(self.entered), int(self.left), int(self.over)
        about = f"{self.uniqueid}|{self.queue}"
        waited, talked = left - begin, over - left
        lines = [f"{begin}|{about}|NONE|ENTERQUEUE||79161234567|1"]
        match self.outcome:
            case "connected":
                lines.append(f"{left}|{about}|Anna|CONNECT|{waited}|{LEG}|1")
                how = f"COMPLETECALLER|{waited}|{talked}|1"
                if self.transferred:
                    how = f"BLINDTRANSFER|1008|phones|{waited}|{talked}|1"
                lines.append(f"{over}|{about}|Anna|{how}")
            case "abandoned":
                lines.append(f"{left}|{about}|NONE|ABANDON|1|1|{waited}")
            case "timed-out":
                lines.append(f"{left}|{about}|NONE|EXITWITHTIMEOUT|1|1|{waited}")
            case "moved":
                lines.append(f"{left}|{about}|NONE|WITHDRAW|1|1|{waited}|other")
        return lines

    def stored(
        self, ahead: float = 0.0, stamped: bool = True
    ) -> tuple[EntryRecord, list[FactRecord]]:
        """As cordboard keeps it, with its clock `ahead` of the PBX's."""
        call = f"call-{self.number}-{self.at}"

        def fact(event: str, moment: float, **data: Any) -> FactRecord:
            about = {"at": moment if stamped else None, "channel": CALLER, **data}
            return FactRecord(call, moment + ahead, event, json.dumps(about))

        stands = {"uniqueid": self.uniqueid, "queue": self.queue}
        peer = {"peer": PHONE, "peer_uniqueid": LEG}
        facts = [
            fact("queued", self.entered, **stands),
            fact("queueleft", self.left, **stands, outcome=self.outcome),
        ]
        if self.outcome == "connected":
            facts.append(fact("established", self.left, queue=self.queue, **peer))
            facts.append(fact("peercleared", self.over, **peer))
            if self.transferred:
                facts.append(fact("transferred", self.over, by=PHONE, kind="blind", peer="x"))
        facts.append(fact("cleared", self.over + 0.2, cause="completed"))
        entry = EntryRecord(
            f"entry-{self.number}",
            call,
            "pbx",
            "boot",
            self.uniqueid,
            self.queue,
            0,
            self.entered + ahead,
            self.outcome,
            "anna" if self.outcome == "connected" else None,
            self.left + ahead,
        )
        return entry, facts


def log_of(*history: Happened) -> list[str]:
    lines = [line for happened in history for line in happened.logged()]
    first = f"{BEGAN - 10}|NONE|NONE|NONE|QUEUESTART|"
    return [first, *sorted(lines, key=lambda line: int(line.partition("|")[0]))]


def held(
    lines: list[str],
    history: list[Happened],
    gaps: list[Gap] | None = None,
    ahead: float = 0.0,
    stamped: bool = True,
    period: Gap = (-math.inf, math.inf),
) -> Account:
    stored = [happened.stored(ahead, stamped) for happened in history]
    entries = [entry for entry, _ in stored]
    facts = [fact for _, told in stored for fact in told]
    log = read_queue_log({"queue_log": "\n".join(lines) + "\n"})
    return account(log, entries, facts, gaps or [], period)


def only(found: Account) -> tuple[str, str, str, str | None]:
    (difference,) = found.differences
    return difference.about, difference.log, difference.store, difference.cause


ANSWERED = Happened(1, 0.6, "connected", 4.4, 30.2)
ABANDONED = Happened(2, 50.1, "abandoned", 12.7)


# What agrees, and what cannot


moments = st.integers(0, 40_000).map(lambda tenths: tenths / 10)
histories = st.lists(
    st.tuples(
        moments,
        st.sampled_from(("connected", "abandoned", "timed-out", "moved")),
        st.integers(0, 900).map(lambda tenths: tenths / 10),
        st.integers(0, 900).map(lambda tenths: tenths / 10),
        st.booleans(),
        st.sampled_from(("support", "sales")),
    ),
    min_size=1,
    max_size=8,
).map(
    lambda drawn: [
        Happened(
            number, at, outcome, waited, talked if outcome == "connected" else 0, passed, queue
        )
        for number, (at, outcome, waited, talked, passed, queue) in enumerate(drawn)
    ]
)


@given(histories, st.floats(-3000, 3000), st.booleans())
@settings(deadline=None)
def test_what_both_saw_is_no_difference_whatever_our_clock_says(
    history: list[Happened], ahead: float, stamped: bool
) -> None:
    found = held(log_of(*history), history, ahead=ahead, stamped=stamped)
    assert found.differences == ()
    assert found.compared == found.common == len(history)
    assert abs(found.offset - ahead) <= 0.6


@given(histories, st.data())
@settings(deadline=None, max_examples=200)
def test_any_line_that_is_changed_or_missing_is_found(
    history: list[Happened], data: st.DataObject
) -> None:
    lines = log_of(*history)
    index = data.draw(st.integers(1, len(lines) - 1), label="line")
    fields = lines[index].split("|")
    event = fields[4]
    changes = {
        "missing": None,
        "caller": [fields[0], "9.9", *fields[2:]],
        "queue": [*fields[:2], "elsewhere", *fields[3:]],
    }
    if event == "ENTERQUEUE":
        changes["earlier"] = [str(int(fields[0]) - 5), *fields[1:]]
    elif event == "CONNECT":
        changes["wait"] = [*fields[:5], str(int(fields[5]) + 3), *fields[6:]]
        changes["outcome"] = [*fields[:4], "ABANDON", "1", "1", fields[5]]
    elif event == "COMPLETECALLER":
        changes["talk"] = [*fields[:6], str(int(fields[6]) + 3), fields[7]]
        changes["end"] = [*fields[:4], "BLINDTRANSFER", "1008", "phones", *fields[5:]]
    elif event == "BLINDTRANSFER":
        changes["talk"] = [*fields[:8], str(int(fields[8]) + 3), fields[9]]
        changes["end"] = [*fields[:4], "COMPLETEAGENT", *fields[7:]]
    else:
        changes["wait"] = [*fields[:7], str(int(fields[7]) + 3), *fields[8:]]
        other = "EXITWITHTIMEOUT" if event != "EXITWITHTIMEOUT" else "ABANDON"
        changes["outcome"] = [*fields[:4], other, *fields[5:8]]
    changed = changes[data.draw(st.sampled_from(sorted(changes)), label="change")]
    lines[index : index + 1] = ["|".join(changed)] if changed else []
    assert held(lines, history).differences != ()


@given(histories, st.data())
@settings(deadline=None)
def test_any_stay_that_the_store_lacks_or_has_twice_is_found_and_unexplained(
    history: list[Happened], data: st.DataObject
) -> None:
    one = data.draw(st.sampled_from(history))
    twice = replace(one, number=one.number + 100)
    entry, facts = twice.stored()
    entry = replace(entry, uniqueid=one.uniqueid)
    log = read_queue_log({"queue_log": "\n".join(log_of(*history)) + "\n"})
    stored = [happened.stored() for happened in history]
    found = account(
        log,
        [*(e for e, _ in stored), entry],
        [*(fact for _, told in stored for fact in told), *facts],
    )
    assert found.unexplained
    assert held(log_of(*history), [h for h in history if h is not one]).unexplained


# Causes


def test_a_redirect_is_abandon_in_the_log_and_moved_for_us_if_the_caller_went_on() -> None:
    moved = Happened(1, 1.0, "moved", 5.0)
    lines = [line.replace("WITHDRAW", "ABANDON") for line in log_of(moved)]
    entry, facts = moved.stored()
    log = read_queue_log({"queue_log": "\n".join(lines)})
    assert only(account(log, [entry], facts))[3] is None
    cleared = replace(facts[-1], at=facts[-1].at + 20)
    again = {"at": moved.left, "channel": CALLER, "uniqueid": moved.uniqueid, "queue": "other"}
    queued = FactRecord("call-1-1.0", moved.left, "queued", json.dumps(again))
    about, theirs, ours, cause = only(account(log, [entry], [*facts[:-1], queued, cleared]))
    assert (about, theirs, ours) == ("outcome", "ABANDON", "moved")
    assert cause is not None
    assert cause.startswith("redirected")


@pytest.mark.parametrize(("late", "differ"), [(1.05, 0), (1.15, 1)])
def test_durations_may_be_a_second_apart_and_what_a_stamp_takes_and_no_more(
    late: float, differ: int
) -> None:
    whole = replace(ANSWERED, at=0.0, waited=4.0, talked=24.0)
    entry, facts = replace(whole, talked=24.0 + late).stored()
    log = read_queue_log({"queue_log": "\n".join(log_of(whole)) + "\n"})
    assert len(account(log, [entry], facts).differences) == differ


def test_talk_that_asterisk_counts_on_after_the_caller_was_taken_out_of_it_is_explained() -> None:
    parked = replace(ANSWERED, talked=3.0)
    entry, facts = parked.stored()
    late = {"at": parked.over + 25, "channel": CALLER, "cause": "completed"}
    facts[-1] = FactRecord("call-1-0.6", parked.over + 25, "cleared", json.dumps(late))
    for talked, explained in ((28, True), (15, False)):
        lines = log_of(parked)
        lines[-1] = f"{int(parked.over) + 25}|{parked.uniqueid}|support|A|COMPLETECALLER|4|{talked}"
        log = read_queue_log({"queue_log": "\n".join(lines) + "\n"})
        about, theirs, ours, cause = only(account(log, [entry], facts))
        assert (about, theirs, ours) == ("talk", f"{talked} s", "3 s")
        assert (cause is not None and "taken out of the talk" in cause) is explained


def test_what_was_open_when_the_pbx_went_away_has_no_end_in_the_log_and_is_lost_for_us() -> None:
    lost = Happened(1, 1.0, "lost", 20.0)
    lines = [log_of(lost)[0], lost.logged()[0], f"{BEGAN + 15}|NONE|NONE|NONE|QUEUESTART|"]
    about, theirs, ours, cause = only(held(lines, [lost]))
    assert (about, theirs, ours) == ("outcome", "no end", "lost")
    assert cause == "the PBX went away: Asterisk began anew at 22:13:35"
    assert only(held(lines, [replace(lost, outcome="abandoned")]))[3] is None


def test_a_log_that_stops_before_the_end_explains_what_it_does_not_tell() -> None:
    lines = log_of(ANSWERED)[:-1]
    about, theirs, ours, cause = only(held(lines, [ANSWERED]))
    assert (about, theirs, ours) == ("end", "no end", "hung up")
    assert cause == "the log's last line is of 22:13:25"


def gap(since: float, until: float) -> list[Gap]:
    return [(BEGAN + since, BEGAN + until)]


def test_a_stay_that_passed_unseen_as_a_whole_is_explained_and_one_that_did_not_is_not() -> None:
    lines = log_of(ANSWERED, ABANDONED)
    cause = only(held(lines, [ANSWERED], gap(49, 70)))[3]
    assert cause == "cordboard did not see the PBX between 22:14:09 and 22:14:30"
    assert only(held(lines, [ANSWERED], gap(55, 90)))[3] is None
    assert only(held(lines, [ANSWERED], gap(40, 55)))[3] is None


def test_an_end_that_was_not_seen_is_explained_within_two_seconds_of_the_gap() -> None:
    lost = replace(ABANDONED, outcome="lost", waited=18.0)
    lines = log_of(ANSWERED, ABANDONED)
    for blind, explained in ((gap(60, 68), True), (gap(64, 66), True), (gap(70.5, 99), False)):
        about, theirs, ours, cause = only(held(lines, [ANSWERED, lost], blind))
        assert (about, theirs, ours) == ("outcome", "ABANDON", "lost")
        assert (cause is not None) is explained


def test_a_gap_that_was_marked_on_the_call_explains_only_that_call() -> None:
    entry, facts = replace(ANSWERED, talked=12.0).stored()
    since, until = ANSWERED.left + 12, ANSWERED.over
    data = {"at": None, "channel": CALLER, "since": since, "until": until}
    log = read_queue_log({"queue_log": "\n".join(log_of(ANSWERED)) + "\n"})
    facts[-1] = replace(facts[-1], data=json.dumps({"at": None, "cause": "completed"}))
    marked = FactRecord("call-1-0.6", until, "unseen", json.dumps(data))
    assert only(account(log, [entry], facts))[3] is None
    cause = only(account(log, [entry], [*facts, marked]))[3]
    assert (cause or "").startswith("cordboard did not see the PBX between")


def test_the_wait_that_includes_an_announcement_to_the_operator_is_explained() -> None:
    entry, facts = ANSWERED.stored()
    data = json.loads(facts[1].data) | {"at": ANSWERED.left - 3}
    facts[1] = replace(facts[1], data=json.dumps(data))
    log = read_queue_log({"queue_log": "\n".join(log_of(ANSWERED)) + "\n"})
    about, _, _, cause = only(account(log, [entry], facts))
    assert about == "wait"
    assert "tells the operator first" in (cause or "")


# When cordboard did not see


def link(
    kind: str, at: float, before: float | None, **data: float
) -> tuple[FactRecord, float | None]:
    return FactRecord(link_id("pbx"), at, kind, json.dumps(data)), before


def test_sight_is_lost_since_the_link_says_and_since_the_last_record_of_a_killed_server() -> None:
    told = [
        link("linkup", 100.0, None),
        link("snapshotdone", 101.0, 100.0),
        link("linkdown", 200.0, 199.0, unseen=10.0),
        link("linkup", 210.0, 200.0),
        link("linkdown", 211.0, 210.0, unseen=0.0),
        link("linkup", 220.0, 211.0),
        link("snapshotdone", 221.0, 220.0),
        link("linkup", 300.0, 260.0),  # killed: it said nothing
        link("snapshotdone", 301.0, 300.0),
        link("linkdown", 400.0, 398.0, unseen=0.0),
    ]
    assert gaps_of(told) == [
        (-math.inf, 101.0),
        (190.0, 221.0),
        (260.0, 301.0),
        (400.0, math.inf),
    ]


# Periods and callers who come twice


def test_only_stays_that_began_in_the_period_count() -> None:
    lines = log_of(ANSWERED, ABANDONED)
    assert held(lines, [ANSWERED], period=(-math.inf, BEGAN + 50)).differences == ()
    assert held(lines, [ABANDONED], period=(BEGAN + 50, math.inf)).differences == ()
    assert held(lines, [], period=(BEGAN + 100, math.inf)).compared == 0


def test_a_log_without_a_line_has_none_of_our_stays() -> None:
    assert held([], [ANSWERED, ABANDONED]).unexplained == 2


def test_a_stay_that_began_before_the_first_line_is_left_out() -> None:
    lines = log_of(ANSWERED, ABANDONED)[-1:]
    assert held(lines, [ANSWERED]).compared == 0


def test_stays_of_one_caller_in_one_queue_are_matched_in_their_order() -> None:
    first = Happened(1, 0.5, "timed-out", 3.0)
    second = replace(first, at=10.5, outcome="connected", talked=4.0)
    lines = log_of(first, second)
    assert held(lines, [second, first]).differences == ()
    assert only(held(lines, [second]))[:3] == ("stay", "a stay, timed-out", "nothing")


def test_the_sums_stand_side_by_side() -> None:
    passed = replace(ANSWERED, number=3, at=80.0, transferred=True)
    found = held(log_of(ANSWERED, ABANDONED, passed), [ANSWERED, ABANDONED, passed])
    for sums in found.queues["support"]:
        assert (sums.entered, sums.answered, sums.abandoned, sums.transferred) == (3, 2, 1, 1)
        assert sum(sums.talks) == pytest.approx(60.4, abs=2)
