"""The call model against what the people on the phones experienced.

The traces were recorded from a real Asterisk (tests/traces/README.md); each play there says what
was done. What is expected here was written by hand from what the people at the phones could tell,
in the words of `cordboard replay`, not from what the program printed.
"""

from __future__ import annotations

import pytest
from telling import TRACES, told

WAITS = ["offered", "queued 1"]
ANSWERED = [*WAITS, "rings 1001", "talks 1001"]
LOCAL_ANSWERED = [*WAITS, "rings 1007", "talks 1007"]
ENDS = "cleared completed"


def call(number: int, *lines: str) -> list[str]:
    """The sentences of one call among several."""
    return [f"{number}: {line}" for line in lines]


def alike(names: tuple[str, ...], story: list[str]) -> dict[str, list[str]]:
    """One story that was played in several ways."""
    return {name: list(story) for name in names}


STORIES: dict[str, list[str]] = {
    # ---- phones among themselves -------------------------------------------------------------
    "direct_call_answered": ["offered", "rings 1007", "talks 1007", ENDS],
    "direct_call_busy": ["offered", "rings 1007", "cleared busy"],
    "direct_call_no_answer": ["offered", "rings 1007", "cleared no-answer"],
    "direct_call_cancelled": ["offered", "rings 1007", "cleared cancelled"],
    "direct_call_rejected": ["offered", "rings 1007", "cleared rejected"],
    "message_only": ["offered", ENDS],
    "server_hangs_caller_hangs_up": ["offered", "cleared cancelled"],
    # ---- hold --------------------------------------------------------------------------------
    "held_and_retrieved": [*ANSWERED, "held by 1001", "retrieved by 1001", ENDS],
    "held_by_the_caller": [*ANSWERED, "held by inbound", "retrieved by inbound", ENDS],
    "held_caller_hangs_up": [*ANSWERED, "held by 1001", ENDS],
    "held_by_both": [
        "offered",
        "rings 1007",
        "talks 1007",
        "held by 1007",
        "held by 1001",
        "retrieved by 1007",
        "retrieved by 1001",
        ENDS,
    ],
    # ---- queues ------------------------------------------------------------------------------
    "queue_abandoned": [*WAITS, "rings 1001", "abandoned", "cleared cancelled"],
    "queue_no_answer_then_answered": [*WAITS, "rings 1004", "rings 1005", "talks 1005", ENDS],
    "queue_timeout": [*WAITS, "cleared no-answer"],
    "queue_timeout_while_it_rings": [*WAITS, "rings 1001", "cleared no-answer"],
    "moved_to_another_queue": [*WAITS, "queued 1", "rings 1006", "talks 1006", ENDS],
    "redirected_while_ringing": [
        *WAITS,
        "rings 1001",
        "queued 1",
        "rings 1006",
        "talks 1006",
        ENDS,
    ],
    "queue_join_refused": [*WAITS, "cleared no-answer"],
    "queue_left_empty": [*WAITS, "queued 1", "rings 1001", "talks 1001", ENDS],
    "queue_left_by_key": [*WAITS, "rings 1007", "talks 1007", ENDS],
    "queue_announced": [*LOCAL_ANSWERED, ENDS],
    "queue_phone_gone_while_it_rings": [*WAITS, "rings 1004", "rings 1005", "talks 1005", ENDS],
    "queue_second_call_in_wrap_up": [
        *call(1, *ANSWERED, ENDS),
        *call(2, *ANSWERED, ENDS),
    ],
    "queue_priority_caller": [
        *call(1, *WAITS),
        *call(2, *ANSWERED, ENDS),
        *call(1, "rings 1001", "talks 1001", ENDS),
    ],
    # ---- announcements, callbacks ------------------------------------------------------------
    "queue_caller_told_his_place": [*ANSWERED, ENDS],
    "callback_asked_for": [
        *call(1, *WAITS, "cleared no-answer"),
        *call(2, *WAITS, "rings 1001", "talks 1001 with trunk", "cleared completed of trunk"),
    ],
    "callback_before_another": [
        *call(1, *WAITS),
        *call(2, *WAITS, "rings 1001", "cleared busy of trunk"),
        *call(1, "rings 1001", "talks 1001", ENDS),
    ],
    "callback_withdrawn": [*WAITS, "cleared no-answer"],
    "server_away_then_default_queue": [*ANSWERED, ENDS],
    # ---- several phones ring -----------------------------------------------------------------
    "ringall_answered": [*WAITS, "rings 1007", "rings 1008", "rings 1009", "talks 1008", ENDS],
    "ringall_one_busy": [*WAITS, "rings 1007", "rings 1008", "talks 1008", ENDS],
    "ringall_abandoned": [*WAITS, "rings 1007", "rings 1008", "abandoned", "cleared cancelled"],
    "ring_group_answered": ["offered", "rings 1007", "rings 1008", "talks 1008", ENDS],
    "ring_group_not_answered": ["offered", "rings 1007", "rings 1008", "cleared no-answer"],
    "ring_group_all_busy": ["offered", "rings 1007", "rings 1008", "cleared busy"],
    # ---- forwarding --------------------------------------------------------------------------
    "forwarded_by_the_phone": [
        "offered",
        "rings 1007",
        "goes to 1008 instead of 1007",
        "rings 1008",
        "talks 1008",
        ENDS,
    ],
    "forwarded_by_a_phone_of_the_queue": [
        *WAITS,
        "rings 1001",
        "goes to 1008 instead of 1001",
        "rings 1008",
        "talks 1008",
        ENDS,
    ],
    # The dialplan's own business: the caller knows of no phone that should have rung.
    "forwarded_to_a_mobile": ["offered", "rings trunk", "talks trunk", ENDS],
    # As somebody who tries two phones, one after the other; nothing in AMI says that it is more.
    "forwarded_to_a_mobile_on_no_answer": [
        "offered",
        "rings 1009",
        "rings trunk",
        "talks trunk",
        ENDS,
    ],
    # ---- the personal manager ----------------------------------------------------------------
    "manager_confirmed": ["offered", "rings trunk", "talks trunk", ENDS],
    "manager_confirmed_with_sound": ["offered", "rings trunk", "talks trunk", ENDS],
    "manager_rings_caller_hangs_up": ["offered", "rings trunk", "cleared cancelled"],
    **alike(
        (
            "manager_voicemail_then_queue",
            "manager_declines_then_queue",
            "manager_busy_then_queue",
            "manager_presses_another_digit_then_queue",
            "manager_away_then_queue",
        ),
        ["offered", "rings trunk", "queued 1", "rings 1001", "talks 1001", ENDS],
    ),
    "manager_at_the_desk": ["offered", "rings 1007", "talks 1007", ENDS],
    # The third is back at the place that he had, before the fourth, who joined meanwhile.
    "manager_desk_then_mobile_then_old_place": [
        *call(1, "offered", "queued 1"),
        *call(2, "offered", "queued 2"),
        *call(3, "offered", "rings 1007", "rings trunk"),
        *call(1, "abandoned", "cleared cancelled"),
        *call(4, "offered", "queued 2"),
        *call(3, "queued 2"),
        *call(2, "abandoned", "cleared cancelled"),
        *call(3, "abandoned", "cleared cancelled"),
        *call(4, "abandoned", "cleared cancelled"),
    ],
    # ---- picked up, parked -------------------------------------------------------------------
    # The colleague dials something, but what he does is to take this call: there is no other.
    "picked_up": [*WAITS, "rings 1001", "goes to 1008 instead of 1001", "talks 1008", ENDS],
    "picked_up_by_number": [
        "offered",
        "rings 1007",
        "goes to 1008 instead of 1007",
        "talks 1008",
        ENDS,
    ],
    # Until it fails that is a call like any other.
    "picked_up_nothing": ["offered", "cleared rejected"],
    # To be parked is neither a hold nor a transfer to anybody.
    "parked_and_fetched": [*ANSWERED, "talks 1008", ENDS],
    "parked_by_the_phone_and_fetched": [*ANSWERED, "talks 1008", ENDS],
    "parked_and_back": [*ANSWERED, "rings 1001", "talks 1001", ENDS],
    "parked_and_given_up": [*ANSWERED, ENDS],
    # ---- transfers: by manager action, by the keys of the phone ---------------------------------
    **alike(
        ("transferred_blind", "referred_blind"),
        [
            *ANSWERED,
            "1001 transfers inbound to 1008, blind",
            "rings 1008",
            "talks 1008",
            ENDS,
        ],
    ),
    # While he dials the caller hears music.
    **alike(
        ("keyed_blind", "referred_blind_after_hold"),
        [
            *ANSWERED,
            "held by 1001",
            "1001 transfers inbound to 1008, blind",
            "rings 1008",
            "talks 1008",
            ENDS,
        ],
    ),
    **alike(
        ("transferred_blind_to_a_busy_phone", "referred_blind_to_a_busy_phone"),
        [
            *ANSWERED,
            "1001 transfers inbound to 1008, blind",
            "rings 1008",
            "queued 1",
            "rings 1002",
            "talks 1002",
            ENDS,
        ],
    ),
    **alike(
        ("transferred_attended", "keyed_attended", "keyed_attended_with_sound"),
        [
            *ANSWERED,
            "held by 1001",
            "rings 1008 for 1001",
            "talks 1008 with 1001",
            "1001 transfers inbound to 1008, attended",
            ENDS,
        ],
    ),
    **alike(
        ("transferred_semi_attended", "keyed_semi_attended"),
        [
            *ANSWERED,
            "held by 1001",
            "rings 1008 for 1001",
            "1001 transfers inbound to 1008, semi-attended",
            "talks 1008",
            ENDS,
        ],
    ),
    "keyed_semi_attended_recalled": [
        *ANSWERED,
        "held by 1001",
        "rings 1008 for 1001",
        "1001 transfers inbound to 1008, semi-attended",
        "rings 1001",
        "talks 1001",
        ENDS,
    ],
    **alike(
        ("consulted_and_returned", "keyed_attended_aborted"),
        [
            *ANSWERED,
            "held by 1001",
            "rings 1008 for 1001",
            "talks 1008 with 1001",
            "retrieved by 1001",
            ENDS,
        ],
    ),
    "keyed_attended_to_a_busy_phone": [
        *ANSWERED,
        "held by 1001",
        "rings 1008 for 1001",
        "retrieved by 1001",
        ENDS,
    ],
    # It goes on until the last two have hung up.
    "keyed_consultation_caller_hangs_up": [
        *ANSWERED,
        "held by 1001",
        "rings 1008 for 1001",
        "talks 1008 with 1001",
        ENDS,
    ],
    "keyed_swapped": [
        *ANSWERED,
        "held by 1001",
        "rings 1008 for 1001",
        "talks 1008 with 1001",
        "retrieved by 1001",
        "held by 1001",
        "1001 transfers inbound to 1008, attended",
        ENDS,
    ],
    # ---- transfers: by the phones themselves --------------------------------------------------
    "referred_blind_by_the_caller": [
        "offered",
        "rings 1008",
        "talks 1008",
        "1007 transfers 1008 to 1001, blind",
        "rings 1001 for 1008",
        "talks 1001 with 1008",
        ENDS,
    ],
    "referred_blind_caller_hangs_up": [
        *ANSWERED,
        "1001 transfers inbound to 1008, blind",
        "rings 1008",
        ENDS,
    ],
    # The PBX refuses at once, so nobody was transferred.
    "referred_blind_to_nowhere": [*ANSWERED, ENDS],
    "referred_to_another_queue": [
        *ANSWERED,
        "queued 1",
        "1001 transfers inbound to 1006, blind",
        "rings 1006",
        "talks 1006",
        ENDS,
    ],
    "referred_to_a_mobile": [
        *ANSWERED,
        "1001 transfers inbound to trunk, blind",
        "rings trunk",
        "talks trunk",
        ENDS,
    ],
    "referred_twice": [
        *ANSWERED,
        "1001 transfers inbound to 1008, blind",
        "rings 1008",
        "talks 1008",
        "1008 transfers inbound to 1009, blind",
        "rings 1009",
        "talks 1009",
        ENDS,
    ],
    # The second line's call has no end of its own: it becomes part of the customer's.
    "referred_attended": [
        *call(1, *ANSWERED, "held by 1001"),
        *call(2, "offered", "rings 1008", "talks 1008"),
        *call(1, "1001 transfers inbound to 1008, attended", ENDS),
    ],
    "referred_semi_attended": [
        *call(1, *ANSWERED, "held by 1001"),
        *call(2, "offered", "rings 1008"),
        *call(1, "1001 transfers inbound to 1008, semi-attended", "talks 1008", ENDS),
    ],
    "referred_blind_after_ringing": [
        *call(1, *ANSWERED, "held by 1001"),
        *call(2, "offered", "rings 1008", "cleared cancelled"),
        *call(1, "1001 transfers inbound to 1008, blind", "rings 1008", "talks 1008", ENDS),
    ],
    "referred_attended_into_a_queue": [
        *call(1, *ANSWERED, "held by 1001"),
        *call(2, *WAITS, "rings 1006", "talks 1006"),
        *call(1, "1001 transfers inbound to 1006, attended", ENDS),
    ],
    "referred_attended_by_the_caller": [
        *call(1, "offered", "rings 1008", "talks 1008", "held by 1007"),
        *call(2, "offered", "rings 1001", "talks 1001"),
        *call(1, "1007 transfers 1008 to 1001, attended", ENDS),
    ],
    "referred_consulted_and_returned": [
        *call(1, *ANSWERED, "held by 1001"),
        *call(2, "offered", "rings 1008", "talks 1008", ENDS),
        *call(1, "retrieved by 1001", ENDS),
    ],
    # Whichever began first: it is the customer's call that goes on.
    "connected_to_an_older_call": [
        *call(1, "offered", "rings 1008", "talks 1008", "held by 1001"),
        *call(2, "offered", "rings 1001", "talks 1001"),
        *call(2, "1001 transfers inbound to 1008, attended", ENDS),
    ],
    "connected_to_a_younger_call": [
        *call(1, "offered", "rings 1008", "talks 1008", "held by 1001"),
        *call(2, "offered", "rings 1001", "talks 1001"),
        *call(2, "1001 transfers 1008 to inbound, attended", ENDS),
    ],
    # ---- conferences -------------------------------------------------------------------------
    "conference_by_keys": [
        *ANSWERED,
        "held by 1001",
        "rings 1008 for 1001",
        "talks 1008 with 1001",
        "retrieved by 1001",
        ENDS,
    ],
    # Who comes later joins the call that is there.
    "conference_room": ["offered", "talks 1007", "talks 1008", ENDS],
    "conference_of_the_caller": [*ANSWERED, "talks 1008", ENDS],
    # ---- Local channels ----------------------------------------------------------------------
    **alike(("local_member", "local_member_kept"), [*LOCAL_ANSWERED, ENDS]),
    **alike(
        ("local_member_abandoned", "local_member_busy"),
        [*WAITS, "rings 1007", "abandoned", "cleared cancelled"],
    ),
    **alike(
        ("local_member_refers_blind", "local_member_kept_refers_blind"),
        [
            *LOCAL_ANSWERED,
            "1007 transfers inbound to 1008, blind",
            "rings 1008",
            "talks 1008",
            ENDS,
        ],
    ),
    **alike(
        ("local_member_refers_attended", "local_member_kept_refers_attended"),
        [
            *call(1, *LOCAL_ANSWERED, "held by 1007"),
            *call(2, "offered", "rings 1008", "talks 1008"),
            *call(1, "1007 transfers inbound to 1008, attended", ENDS),
        ],
    ),
    # ---- made by the PBX ---------------------------------------------------------------------
    **alike(
        ("originated_and_answered", "originated_through_a_pipe"),
        ["offered", "rings trunk", "talks trunk", ENDS],
    ),
    **alike(
        (
            "originated_not_answered",
            "originated_declined_by_the_operator",
            "originated_operator_does_not_answer",
            "originated_operator_away",
            "originated_customer_first_declines",
            "originated_through_a_pipe_declined",
        ),
        [],
    ),
    "originated_customer_busy": ["offered", "rings trunk", "cleared busy"],
    "originated_customer_declines": ["offered", "rings trunk", "cleared rejected"],
    "originated_customer_does_not_answer": ["offered", "rings trunk", "cleared no-answer"],
    "originated_operator_gives_up": ["offered", "rings trunk", "cleared cancelled"],
    "originated_customer_first": ["offered", "rings 1001", "talks 1001", ENDS],
    "originated_customer_first_operator_busy": ["offered", "rings 1001", "cleared busy"],
    **alike(
        ("originated_into_a_queue", "originated_to_an_application"),
        [*WAITS, "rings 1006", "talks 1006", ENDS],
    ),
    "originated_then_transferred": [
        "offered",
        "rings trunk",
        "talks trunk",
        "1001 transfers trunk to 1008, blind",
        "rings 1008 for trunk",
        "talks 1008 with trunk",
        ENDS,
    ],
    # ---- links that open late or end early, a PBX that dies --------------------------------------
    "snapshot_after_a_transfer": ["offered", "talks 1008", ENDS],
    "snapshot_of_a_held_call": ["offered", "talks 1001", "retrieved by 1001", ENDS],
    "snapshot_of_a_parked_call": ["offered", "talks 1008", ENDS],
    "recording_ends_in_mid_call": [*call(1, *ANSWERED), *call(2, *WAITS)],
    "pbx_killed_in_mid_call": [*call(1, *ANSWERED), *call(2, *WAITS, "rings 1002")],
    # The second banner tells that the first PBX is no more.
    "pbx_killed_and_started_again": [
        *call(1, *ANSWERED, "cleared lost"),
        *call(2, *ANSWERED, ENDS),
    ],
    # How the first one ended nobody saw.
    "link_lost_in_mid_call": [
        *call(1, *ANSWERED, "cleared lost"),
        *call(2, "offered", "talks 1007", ENDS),
    ],
    # It hangs up on everybody, in order, before it says that it shuts down.
    "pbx_stopped_in_mid_call": [
        *call(1, *ANSWERED),
        *call(2, *WAITS),
        *call(1, ENDS),
        *call(2, "cleared no-answer"),
    ],
    "reloads_during_a_call": [
        *call(1, *ANSWERED),
        *call(2, *WAITS),
        *call(1, ENDS),
        *call(2, "rings 1001", "talks 1001", ENDS),
    ],
}

# Several tests in test_cti_calls.py look at these.
ELSEWHERE = {
    "forged_from_user",
    "queue_answered_caller_hangs_up",
    "queue_answered_operator_hangs_up",
    "queue_member_busy_then_answered",
    "snapshot_mid_call",
    "two_calls_interleaved",
}


@pytest.mark.parametrize("name", STORIES)
def test_a_recording_tells_what_the_people_experienced(name: str) -> None:
    assert told(name) == STORIES[name]


def test_every_recording_has_its_story() -> None:
    assert {path.stem for path in TRACES.glob("*.ami")} == {*STORIES, *ELSEWHERE}
