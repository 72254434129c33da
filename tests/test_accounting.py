"""queue_log against the store."""

from __future__ import annotations

from cordboard.accounting import compare, read_queue_log
from cordboard.crm_core.model import EntryRecord

LOG = """\
1700000000|NONE|NONE|NONE|QUEUESTART|
1700000001|1.1|support|NONE|ENTERQUEUE||79161234567|1
1700000005|1.1|support|PJSIP/1001|CONNECT|4|1.2|3
1700000009|1.1|support|PJSIP/1001|COMPLETECALLER|4|4|1
1700000010|1.3|support|NONE|ENTERQUEUE||7916|1
1700000012|1.3|support|PJSIP/1001|RINGNOANSWER|1000
1700000015|1.3|support|NONE|ABANDON|1|1|5
1700000020|1.5|support|NONE|ENTERQUEUE||7916|1
cut off in the middl""".splitlines()


def entry(uniqueid: str, outcome: str | None, entered: float = 0.0) -> EntryRecord:
    return EntryRecord(
        "e", "c", "pbx", "boot", uniqueid, "support", 0, entered, outcome, None, None
    )


def test_a_stay_is_read_with_its_outcome_and_one_under_way_has_none() -> None:
    stays = [(stay.uniqueid, stay.outcome) for stay in read_queue_log(LOG)]
    assert stays == [("1.1", "connected"), ("1.3", "abandoned"), ("1.5", None)]


def test_what_agrees_is_no_difference() -> None:
    stored = [entry("1.1", "connected"), entry("1.3", "abandoned"), entry("1.5", None)]
    assert compare(read_queue_log(LOG), stored) == []


def test_a_missing_a_doubled_and_a_differing_stay_are_each_named() -> None:
    stored = [
        entry("1.1", "connected", 1.0),
        entry("1.1", "connected", 2.0),
        entry("1.3", "connected"),
    ]
    found = {d.uniqueid: d.what for d in compare(read_queue_log(LOG), stored)}
    assert found == {
        "1.1": "queue_log has 1 stays, the store 2",
        "1.3": "queue_log says abandoned, the store connected",
        "1.5": "queue_log has 1 stays, the store 0",
    }


def test_two_stays_of_one_caller_are_matched_in_their_order() -> None:
    log = [
        "1|1.1|support|NONE|ENTERQUEUE",
        "2|1.1|support|NONE|EXITWITHTIMEOUT|1|1|1",
        "3|1.1|support|NONE|ENTERQUEUE",
        "4|1.1|support|PJSIP/1|CONNECT|1|1.2|1",
    ]
    stored = [entry("1.1", "connected", 3.0), entry("1.1", "timed-out", 1.0)]
    assert compare(read_queue_log(log), stored) == []
