"""Times as people write them on a command line. Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from cordboard.errors import UserError


def moment(option: str, text: str, zone: ZoneInfo) -> float:
    """Seconds since the epoch, of a day or a time in `zone`. Raises `UserError`, which names the
    `option`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{option} {text}: not a day or a time; write 2026-11-22 or 2026-11-22T09:30"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()
