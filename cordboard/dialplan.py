"""What the variables of the shipped dialplan are called that more than one of us sets. Pure."""

from __future__ import annotations

from cordboard.queue.decisions import Penalties

QUEUE, PRIORITY, POSITION = "CB_QUEUE", "CB_PRIO", "CB_POSITION"
OFFER = "CB_OFFER"
"""Whether a waiting caller who presses the digit is asked if he wants to be called back."""
MOVE = "CB_MOVE"
"""The queue to which a waiting caller is to go by the digit `MOVES`."""
MOVES = "D"
"""An extension of the queues' `context`, which hardly a telephone can dial."""


def bounds_of(skills: Penalties | None) -> dict[str, int | None]:
    """Whom Queue() may ring for a caller; None where it is not said."""
    skills = skills or Penalties()
    return {
        "CB_MIN_PENALTY": skills.least,
        "CB_MAX_PENALTY": skills.most,
        "CB_RAISE_PENALTY": skills.at_least,
    }
