"""Times as people write them."""

import re
from datetime import UTC, datetime, timedelta

from dropbatch.cli.errors import UsageFault

__all__ = ["parse_time"]

_AGO = re.compile(r"(\d{1,5})\s*(min|m|h|d|w)")
_UNITS = {"min": "minutes", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=366)


def parse_time(text: str, now: datetime) -> datetime:
    """Return the time that ``30min``, ``2h`` or ``3d`` ago was, or a date with or without a time, in UTC.

    Raises:
        UsageFault: it is none of these, or lies more than a year back or in the future.
    """
    if match := _AGO.fullmatch(text.strip()):
        found = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    else:
        try:
            found = datetime.fromisoformat(text.strip())
        except ValueError:
            raise UsageFault(f"{text!r} is no time: write 30min, 2h, 3d, 2026-01-31 or 2026-01-31T12:00") from None
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    if not now - _LONGEST <= found <= now:
        raise UsageFault(f"{text!r} lies more than a year back, or in the future: choose another time")
    return found
