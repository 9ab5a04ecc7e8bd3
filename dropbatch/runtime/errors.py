"""What ends a run early, and with which exit code.

::

    RunError               code    record  meaning
    ├── UsageError         64      no      the command line or the container's environment makes no sense
    ├── RefusedError       65      yes     this run cannot be done as asked: manifest, command, fence
    ├── StageInError       66      yes     the input (or the manifest) could not be brought in
    ├── ProgramError       1–255   yes     the program failed: its own code, 126 not executable, 127 not found,
    │                                      128 + number when a signal ended it
    ├── StageOutError      73      yes     results, log or record could not be published
    ├── SupersededError    75      no      another job holds this attempt; nothing was touched
    └── StoppedError       128+n   yes     a signal (timeout, spot notice, Ctrl-C) arrived while data was moving

"record: yes" holds from the moment the fence is ours; before that nothing below the run's directory is touched.
"""

import signal

from dropbatch.contract.endings import ExitCode

__all__ = [
    "ProgramError",
    "RefusedError",
    "RunError",
    "StageInError",
    "StageOutError",
    "StoppedError",
    "SupersededError",
    "UsageError",
]


class RunError(Exception):
    """Root of the tree. The text is the reason people read: what was asked, what was got, what helps."""

    phase: str = "refused"
    exit_code: int = ExitCode.REFUSED

    @property
    def line(self) -> str:
        """Phase and reason, for a log; the record keeps them apart."""
        return f"{self.phase}: {self}"


class UsageError(RunError):
    """The command line or the environment variables are wrong."""

    phase = "usage"
    exit_code = ExitCode.USAGE


class RefusedError(RunError):
    """The run cannot be done as asked."""


class StageInError(RunError):
    """The input could not be brought in."""

    phase = "stage-in"
    exit_code = ExitCode.STAGE_IN


class ProgramError(RunError):
    """The program could not be started, or failed."""

    phase = "program"

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class StageOutError(RunError):
    """The results could not be published."""

    phase = "stage-out"
    exit_code = ExitCode.STAGE_OUT


class SupersededError(RunError):
    """Another job runs this attempt."""

    phase = "superseded"
    exit_code = ExitCode.SUPERSEDED


class StoppedError(RunError):
    """A signal arrived while no program was running; the phase is the one it interrupted."""

    def __init__(self, number: int, phase: str = "stage-in") -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} during {phase}, results are withheld")
        self.phase = phase
        self.exit_code = 128 + number
