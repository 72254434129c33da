"""Reading queue_log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cordboard.cti.queue_log import LoggedStay, read_queue_log

LOG = """\
1700000000|NONE|NONE|NONE|QUEUESTART|
1700000001|1.1|support|NONE|ENTERQUEUE||79161234567|1
1700000005|1.1|support|Anna|CONNECT|4|1.2|3
1700000009|1.1|support|Anna|COMPLETECALLER|4|4|1
1700000010|1.3|support|NONE|ENTERQUEUE||7916|1
1700000012|1.3|support|Anna|RINGNOANSWER|1000
1700000015|1.3|support|NONE|ABANDON|1|1|5
1700000020|1.5|support|NONE|ENTERQUEUE||7916|1
cut off in the middl"""


def only(*lines: str) -> LoggedStay:
    (stay,) = read_queue_log({"log": "\n".join(lines) + "\n"}).stays
    return stay


def test_a_stay_is_read_with_its_outcome_and_one_under_way_has_none() -> None:
    log = read_queue_log({"log": LOG})
    assert [(s.uniqueid, s.outcome, s.waited, s.talked, s.where) for s in log.stays] == [
        ("1.1", "connected", 4, 4, "log:2"),
        ("1.3", "abandoned", 5, None, "log:5"),
        ("1.5", None, None, None, "log:8"),
    ]
    assert (log.began, log.ended, log.lines) == (1_700_000_000, 1_700_000_020, 8)


def test_a_cut_last_line_is_no_fault_and_the_same_line_in_the_middle_is_one() -> None:
    assert read_queue_log({"log": LOG}).faults == ()
    faults = read_queue_log({"log": LOG + "\n1700000021|1.5|support|NONE|ABANDON|1|1|1\n"}).faults
    assert faults == ("log:9: not seconds|callid|queue|agent|event|data",)


def test_every_fault_is_told_with_its_line_and_the_others_count() -> None:
    text = "x|1|q|NONE|ENTERQUEUE\n5|1|q|NONE|ENTERQUEUE\n6|1|q|NONE|ABANDON|1|1|soon\nhello\n"
    log = read_queue_log({"log": text})
    assert log.faults == (
        "log:1: 'x' is no time in seconds",
        "log:3: 'soon' is no number of seconds",
        "log:4: not seconds|callid|queue|agent|event|data",
    )
    assert [stay.outcome for stay in log.stays] == [None]


def test_each_way_out_of_the_wait_has_its_wait_where_that_event_keeps_it() -> None:
    enter = "1|1.1|q|NONE|ENTERQUEUE||1|1"
    for event, outcome in (
        ("ABANDON|2|3|7", "abandoned"),
        ("EXITWITHTIMEOUT|2|3|7", "timed-out"),
        ("EXITEMPTY|2|3|7", "timed-out"),
        ("EXITWITHKEY|5|2|3|7", "moved"),
        ("WITHDRAW|2|3|7|other", "moved"),
        ("CONNECT|7|1.2|3", "connected"),
    ):
        stay = only(enter, f"8|1.1|q|NONE|{event}")
        assert (stay.outcome, stay.waited, stay.left) == (outcome, 7, 8)


def test_the_talk_is_found_whatever_stands_before_it() -> None:
    begun = ("1|1.1|q|NONE|ENTERQUEUE||1|1", "3|1.1|q|A|CONNECT|2|1.2|2")
    for event, transferred in (
        ("COMPLETEAGENT|2|9|1", False),
        ("BLINDTRANSFER|1008|phones|2|9|1", True),
        ("ATTENDEDTRANSFER|BRIDGE|2d0c7f2c|2|9|1", True),
        ("ATTENDEDTRANSFER|LINK|Local/1;1|Local/1;2|2|9|1", True),
        ("TRANSFER|1008|phones|2|9|1", True),
    ):
        stay = only(*begun, f"12|1.1|q|A|{event}")
        assert (stay.talked, stay.transferred, stay.over) == (9, transferred, True)


def test_a_restart_marks_what_was_open_and_a_reused_id_begins_anew() -> None:
    log = read_queue_log(
        {"log": "1|1.1|q|NONE|ENTERQUEUE\n9|NONE|NONE|NONE|QUEUESTART|\n10|1.1|q|NONE|ENTERQUEUE\n"}
    )
    assert [(stay.entered, stay.restarted) for stay in log.stays] == [(1, 9), (10, None)]


def test_rotated_files_are_read_by_their_age_whatever_their_names() -> None:
    old, new = LOG.partition("1700000010")[0], "1700000010" + LOG.partition("1700000010")[2]
    apart = read_queue_log({"a": new, "b": old})
    whole = read_queue_log({"log": LOG})
    assert [s.outcome for s in apart.stays] == [s.outcome for s in whole.stays]


def test_a_stay_that_began_in_an_earlier_file_is_passed_over() -> None:
    assert (
        read_queue_log({"log": "5|1.1|q|A|CONNECT|2|1.2|2\n6|1.1|q|A|COMPLETEAGENT|2|1|1\n"}).stays
        == ()
    )


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    log = read_queue_log({"log": text})
    assert log.lines + len(log.faults) <= len(text.splitlines())
