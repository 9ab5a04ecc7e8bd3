"""Keys of objects in the input bucket and the output bucket.

Input keys are ``<group>/<pipeline>/<rest>``: the folder selects the pipeline. Output keys are
``<group>/<pipeline>/<rest>/<run_id>/…``: every run has its own directory.
"""

from typing import NamedTuple

__all__ = [
    "CONFIGS",
    "CONTENT_SHA256",
    "CONTROL_PREFIX",
    "INPUTS",
    "MAX_KEY_BYTES",
    "SUBMISSIONS",
    "SYSTEM_GROUP",
    "InputKey",
    "log_key",
    "manifest_key",
    "named_outputs_key",
    "output_prefix",
    "record_key",
    "rejection_key",
    "report_key",
    "request_part_key",
    "split_uri",
    "started_key",
    "tally_key",
    "uri",
]

CONTROL_PREFIX = "_dropbatch/"
"""Prefix of control objects in the output bucket."""

SYSTEM_GROUP = "_system"
"""Group in the ledger of files that belong to no group: those at the root of the bucket or in unknown folders."""

INPUTS = "inputs"
CONFIGS = "configs"
SUBMISSIONS = "submissions"

MAX_KEY_BYTES = 900
"""Maximum length of an input key in UTF-8 bytes. S3 allows 1,024, and keys of results are longer than the input's."""

CONTENT_SHA256 = "sha256"
"""Metadata field of an uploaded object: hexadecimal SHA-256 of its content."""

RECORD_NAME = "_run.json"
LOG_NAME = "_log.txt"


class InputKey(NamedTuple):
    """The parts of an input key; missing parts are empty."""

    group: str
    folder: str
    rest: str

    @classmethod
    def parse(cls, key: str) -> "InputKey":
        """Split ``<group>/<folder>/<rest>``. Accepts any string, since any string may be a key.

        The rest keeps all slashes: ``a/b//c`` and ``a/b/c`` are two objects in S3.
        """
        group, _, below = key.partition("/")
        if not _:
            return cls(group="", folder="", rest=key)
        folder, slash, rest = below.partition("/")
        if not slash:
            return cls(group=group, folder="", rest=folder)
        return cls(group=group, folder=folder, rest=rest)


def output_prefix(group: str, pipeline: str, rest: str, run_id: str) -> str:
    """Return the prefix of a run's results, ending in ``/``."""
    return f"{group}/{pipeline}/{rest}/{run_id}/"


def record_key(prefix: str) -> str:
    """Return the key of the run record. It is written last, so it marks the end of a run."""
    return prefix + RECORD_NAME


def log_key(prefix: str) -> str:
    """Return the key of the program's log."""
    return prefix + LOG_NAME


def report_key(group: str, name: str) -> str:
    """Return the key of a list of runs for a group. Pipeline names cannot begin with ``_``, so it is unique."""
    return f"{group}/_reports/{name}.json"


def manifest_key(group: str, pipeline: str, job_name: str) -> str:
    """Return the key of a job's manifest. Its prefix lets a job role read only manifests of its group and pipeline."""
    return f"{CONTROL_PREFIX}manifests/{group}/{pipeline}/{job_name}.json"


def started_key(group: str, pipeline: str, run_id: str, attempt: int) -> str:
    """Return the key of the fence of an attempt."""
    return f"{CONTROL_PREFIX}started/{group}/{pipeline}/{run_id}.{attempt}"


def named_outputs_key(group: str, pipeline: str, run_id: str) -> str:
    """Return the key of the list of output URIs in a run's command, which a try stores before it writes to them."""
    return f"{CONTROL_PREFIX}started/{group}/{pipeline}/{run_id}.outputs"


def request_part_key(group: str, request: str, part: int) -> str:
    """Return the key of a part of a submission's plan; `request` is the digest of the request's identity."""
    return f"{CONTROL_PREFIX}requests/{group}/{request}/{part}.json"


def tally_key(window: str) -> str:
    """Return the key of an unfinished count of a mail's runs; `window` is the digest of the window's id."""
    return f"{CONTROL_PREFIX}tallies/{window}.json"


def rejection_key(request_key: str) -> str:
    """Return the key in the output bucket of the list of a request's faults."""
    return f"{request_key}/_rejected.json"


def uri(bucket: str, key: str) -> str:
    """Return ``s3://bucket/key``."""
    return f"s3://{bucket}/{key}"


def split_uri(text: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://`` URI.

    Raises:
        ValueError: the text is not an ``s3://`` URI with a key.
    """
    bucket, slash, key = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not bucket or not slash:
        raise ValueError(f"not an s3:// URI with a key: {text!r}")
    return bucket, key
