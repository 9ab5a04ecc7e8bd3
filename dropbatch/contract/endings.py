"""Reasons that dropbatch gives when it ends a job, and exit codes of the runtime."""

from enum import IntEnum, StrEnum

__all__ = ["Ending", "ExitCode"]


class Ending(StrEnum):
    """Reasons that dropbatch gives Batch when it cancels or terminates a job. They decide what happens to its runs."""

    MOVED = "dropbatch: the pool has no capacity, the run moves on"
    STOPPED = "dropbatch: stopped by the spend guard, the run starts anew later"
    CANCELLED = "dropbatch: cancelled on request"


class ExitCode(IntEnum):
    """Exit codes of ``dropbatch-run`` itself. It passes on a program's own code, or 128 + the number of a signal.

    The values are in the range 64–78 of BSD's sysexits.h, which programs seldom use.
    """

    OK = 0
    USAGE = 64
    REFUSED = 65
    STAGE_IN = 66
    STAGE_OUT = 73
    SUPERSEDED = 75
