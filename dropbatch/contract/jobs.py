"""Names that meet inside a job's container: environment variables and exit codes of the runtime."""

from enum import IntEnum, StrEnum

__all__ = [
    "COMMIT_FILE",
    "ENVIRONMENT",
    "GIT_COMMIT",
    "IMAGE",
    "JOB_DEFINITION",
    "MANIFEST",
    "OPTIONS",
    "OUTPUT_BUCKET",
    "Ending",
    "ExitCode",
]

ENVIRONMENT = "DROPBATCH_ENVIRONMENT"
OUTPUT_BUCKET = "DROPBATCH_OUTPUT_BUCKET"
MANIFEST = "DROPBATCH_MANIFEST"
"""``s3://`` URI of the job's manifest, set when the job is submitted."""
JOB_DEFINITION = "DROPBATCH_JOB_DEFINITION"
"""``name:revision`` that was submitted; a definition does not know its own revision."""
IMAGE = "DROPBATCH_IMAGE"
"""The image's URI with its tag, from the definition."""
OPTIONS = "DROPBATCH_OPTIONS"
"""What the pipeline asks of the runtime (`contract.options`), from the definition."""
GIT_COMMIT = "DROPBATCH_GIT_COMMIT"
"""Commit that the image was built from, for images that others build."""
COMMIT_FILE = "commit.txt"
"""Holds that commit in images of ours, beside the package."""


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
