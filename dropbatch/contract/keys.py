"""Layout of the two buckets: where inputs arrive, where results and control objects go.

Input keys are ``<group>/<pipeline>/<rest>``; the folder name *is* the pipeline. Output keys are
``<group>/<pipeline>/<rest>/<run_id>/…``: one directory per run, never shared.
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
"""Prefix of the system's own objects in the output bucket."""

SYSTEM_GROUP = "_system"
"""Ledger group of arrivals that belong to no declared group: a file at the bucket's root, an unknown group folder."""

INPUTS = "inputs"
CONFIGS = "configs"
SUBMISSIONS = "submissions"

MAX_KEY_BYTES = 900
"""Longest input key, in UTF-8 bytes. S3 allows 1,024; results need room below the input's key."""

CONTENT_SHA256 = "sha256"
"""Metadata of an uploaded object: hexadecimal SHA-256 of its content."""

RECORD_NAME = "_run.json"
LOG_NAME = "_log.txt"


class InputKey(NamedTuple):
    """An input key taken apart. Parts that the key does not have are empty strings."""

    group: str
    folder: str
    rest: str

    @classmethod
    def parse(cls, key: str) -> "InputKey":
        """Split ``<group>/<folder>/<rest>``; never fails, since any string may arrive as a key.

        The rest keeps its slashes, doubled and leading ones too: ``a/b//c`` and ``a/b/c`` are two objects in S3.
        """
        group, _, below = key.partition("/")
        if not _:
            return cls(group="", folder="", rest=key)
        folder, slash, rest = below.partition("/")
        if not slash:
            return cls(group=group, folder="", rest=folder)
        return cls(group=group, folder=folder, rest=rest)


def output_prefix(group: str, pipeline: str, rest: str, run_id: str) -> str:
    """Prefix, ending in ``/``, of everything a run publishes."""
    return f"{group}/{pipeline}/{rest}/{run_id}/"


def record_key(prefix: str) -> str:
    """Key of the run record, which is written last and so marks the end of a run."""
    return prefix + RECORD_NAME


def log_key(prefix: str) -> str:
    """Key of the program's log."""
    return prefix + LOG_NAME


def report_key(group: str, name: str) -> str:
    """Key of a list of runs for the members of a group. No pipeline's name begins like that."""
    return f"{group}/_reports/{name}.json"


def manifest_key(group: str, pipeline: str, job_name: str) -> str:
    """Key of the manifest of one job. Below group and pipeline, so that a job role reads only its own."""
    return f"{CONTROL_PREFIX}manifests/{group}/{pipeline}/{job_name}.json"


def started_key(group: str, pipeline: str, run_id: str, attempt: int) -> str:
    """Key of the fence of one attempt: whoever creates it first is the job that may run."""
    return f"{CONTROL_PREFIX}started/{group}/{pipeline}/{run_id}.{attempt}"


def named_outputs_key(group: str, pipeline: str, run_id: str) -> str:
    """Key of the list of URIs in a run's command that one of its tries began to write to."""
    return f"{CONTROL_PREFIX}started/{group}/{pipeline}/{run_id}.outputs"


def request_part_key(group: str, request: str, part: int) -> str:
    """Key of a piece of what a request was found to mean; `request` is the digest of its identity."""
    return f"{CONTROL_PREFIX}requests/{group}/{request}/{part}.json"


def tally_key(window: str) -> str:
    """Key of what has been counted of a mail's runs; `window` is the digest of its identity."""
    return f"{CONTROL_PREFIX}tallies/{window}.json"


def rejection_key(request_key: str) -> str:
    """Key, in the output bucket, of what is wrong with a request."""
    return f"{request_key}/_rejected.json"


def uri(bucket: str, key: str) -> str:
    """``s3://bucket/key``."""
    return f"s3://{bucket}/{key}"


def split_uri(text: str) -> tuple[str, str]:
    """Bucket and key of an ``s3://`` URI.

    Raises:
        ValueError: the text is not such a URI.
    """
    bucket, slash, key = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not bucket or not slash:
        raise ValueError(f"not an s3:// URI with a key: {text!r}")
    return bucket, key
