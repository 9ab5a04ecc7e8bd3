"""Errors that end a run, and their exit codes.

::

    RunError               code    record  meaning
    ├── UsageError         64      no      the command line or the environment variables are wrong
    ├── RefusedError       65      yes     the run cannot be started as requested: manifest, command, fence
    ├── StageInError       66      yes     the input or the manifest could not be downloaded
    ├── ProgramError       1–255   yes     the program failed: its own code, 126 not executable, 127 not found,
    │                                      128 + number when a signal ended it
    ├── StageOutError      73      yes     results, log or record could not be uploaded
    ├── SupersededError    75      no      another job has the fence of this attempt; nothing was written
    └── StoppedError       128+n   yes     a signal (timeout, Spot notice, Ctrl-C) arrived during stage-in or stage-out

A record is written only after this job took the fence; before that, nothing is written to the run's directory.
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
    """Base class. The text is the reason that people read: the rule, the value, and the fix."""

    phase: str = "refused"
    exit_code: int = ExitCode.REFUSED

    @property
    def line(self) -> str:
        """Phase and reason in one line, for the log."""
        return f"{self.phase}: {self}"


class UsageError(RunError):
    """The command line or the environment variables are wrong."""

    phase = "usage"
    exit_code = ExitCode.USAGE


class RefusedError(RunError):
    """The run cannot be started as requested."""


class StageInError(RunError):
    """The input could not be downloaded."""

    phase = "stage-in"
    exit_code = ExitCode.STAGE_IN


class ProgramError(RunError):
    """The program could not be started, or failed."""

    phase = "program"

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class StageOutError(RunError):
    """The results could not be uploaded."""

    phase = "stage-out"
    exit_code = ExitCode.STAGE_OUT


class SupersededError(RunError):
    """Another job has the fence of this attempt."""

    phase = "superseded"
    exit_code = ExitCode.SUPERSEDED


class StoppedError(RunError):
    """A signal interrupted stage-in or stage-out (the phase)."""

    def __init__(self, number: int, phase: str = "stage-in") -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} during {phase}, results are withheld")
        self.phase = phase
        self.exit_code = 128 + number
