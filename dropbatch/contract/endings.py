"""How jobs end: reasons that we give, and exit codes of the runtime."""

from enum import IntEnum, StrEnum

__all__ = ["Ending", "ExitCode"]


class Ending(StrEnum):
    """Reasons that we give Batch when we end a job. What happens to its runs follows from them."""

    MOVED = "dropbatch: the pool has no capacity, the run moves on"
    STOPPED = "dropbatch: stopped by the spend guard, the run starts anew later"
    CANCELLED = "dropbatch: cancelled on request"


class ExitCode(IntEnum):
    """Exit codes of ``dropbatch-run`` itself. A program's own code passes through; a signal gives 128 + its number.

    The values lie in the range 64–78 that BSD's sysexits.h set aside, which programs seldom use.
    """

    OK = 0
    USAGE = 64
    REFUSED = 65
    STAGE_IN = 66
    STAGE_OUT = 73
    SUPERSEDED = 75
