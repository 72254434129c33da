"""What is played while AMI is recorded: one known thing each, by noun."""

from cordboard.sandbox.plays import (
    calls,
    conferences,
    faults,
    groups,
    managers,
    originated,
    parking,
    pipes,
    queues,
    refers,
    transfers,
    voices,
)
from cordboard.sandbox.plays.stage import PLAYS, Stage

__all__ = [
    "ABRUPT",
    "LATE",
    "PLAYS",
    "RAW",
    "Stage",
    "calls",
    "conferences",
    "faults",
    "groups",
    "managers",
    "originated",
    "parking",
    "pipes",
    "queues",
    "refers",
    "transfers",
    "voices",
]

# These open the link themselves, in the middle.
LATE = {
    "snapshot_mid_call",
    "snapshot_after_a_transfer",
    "snapshot_of_a_held_call",
    "snapshot_of_a_parked_call",
}
# These end before their calls do.
ABRUPT = {"pbx_killed_in_mid_call", "pbx_stopped_in_mid_call", "recording_ends_in_mid_call"}
# On an account without filters.
RAW = {"forged_from_user"}
