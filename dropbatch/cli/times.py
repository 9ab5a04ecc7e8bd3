"""Parse times that people type."""

import re
from datetime import UTC, datetime, timedelta

from dropbatch.cli.errors import UsageFault

__all__ = ["parse_time"]

_AGO = re.compile(r"(\d{1,5})\s*(min|m|h|d|w)")
_UNITS = {"min": "minutes", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=366)


def parse_time(text: str, now: datetime) -> datetime:
    """Parse ``30min``, ``2h`` or ``3d`` (before `now`), or an ISO-8601 date with or without a time; return UTC.

    Raises:
        UsageFault: the text has another form, or the time is in the future or more than a year back.
    """
    if match := _AGO.fullmatch(text.strip()):
        found = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    else:
        try:
            found = datetime.fromisoformat(text.strip())
        except ValueError:
            raise UsageFault(f"{text!r} is not a time: write 30min, 2h, 3d, 2026-01-31 or 2026-01-31T12:00") from None
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    if not now - _LONGEST <= found <= now:
        raise UsageFault(f"{text!r} is in the future or more than a year back: choose another time")
    return found
