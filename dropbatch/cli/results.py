"""Results: the record of a run, and its files brought here and checked."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import CliError, NotFoundError, UsageFault
from dropbatch.cli.runs import FULL_ID
from dropbatch.contract import keys

__all__ = ["Fetched", "fetch", "newest_run", "read_head", "read_log", "read_record"]

_HEAD_BYTES = 64 * 1024
_RUN_DIRECTORY = re.compile(rf"(.+/{FULL_ID.pattern}/).*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A result file on the local disk."""

    path: Path
    size: int
    already_there: bool


def newest_run(deployed: Deployed, group: str, text: str) -> str:
    """Output prefix of the newest run of an input, given as key, as ``s3://`` URI, or as a result's.

    Raises:
        NotFoundError: nothing was published for it.
        UsageFault: the URI belongs to another environment.
    """
    description = deployed.description
    key = text
    if text.startswith("s3://"):
        try:
            bucket, key = keys.split_uri(text)
        except ValueError as error:
            raise UsageFault(str(error)) from error
        if bucket not in {description.input_bucket, description.output_bucket}:
            raise UsageFault(f"{bucket} is not a bucket of {description.environment}: check --env")
    if match := _RUN_DIRECTORY.fullmatch(key):
        return match[1]
    # `notes.txt` alone is enough where it can only mean one thing.
    tried = [key] if "/" in key else [f"{group}/{pipeline}/{key}" for pipeline in description.pipelines]
    found = [entry for each in tried for entry in _runs_below(deployed, each + "/")]
    if not found:
        raise NotFoundError(f"no run of {key} has published anything: see `dropbatch status`")
    return max(found)[1]


def _runs_below(deployed: Deployed, prefix: str) -> list[tuple[Any, str]]:
    """Runs that have ended below an input's prefix: (time of the record, output prefix)."""
    bucket = deployed.description.output_bucket
    pages = deployed.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    directories = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    found = []
    for directory in directories:
        if not FULL_ID.fullmatch(directory.removeprefix(prefix).rstrip("/")):
            continue
        record = keys.record_key(directory)
        listed = deployed.s3.list_objects_v2(Bucket=bucket, Prefix=record, MaxKeys=1).get("Contents", [])
        found += [(entry["LastModified"], directory) for entry in listed if entry["Key"] == record]
    return found


def read_record(deployed: Deployed, prefix: str) -> dict[str, Any]:
    """The run record below an output prefix.

    Raises:
        NotFoundError: there is none (yet).
    """
    text = _read(deployed, keys.record_key(prefix))
    if text is None:
        raise NotFoundError("the run has left no record yet: see `dropbatch status`")
    record: dict[str, Any] = json.loads(text)
    return record


def read_log(deployed: Deployed, prefix: str) -> bytes | None:
    """The program's log, or None when there is none."""
    return _read(deployed, keys.log_key(prefix))


def _read(deployed: Deployed, key: str) -> bytes | None:
    s3 = deployed.s3
    try:
        return s3.get_object(Bucket=deployed.description.output_bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None


def read_head(deployed: Deployed, record: Mapping[str, Any], *, lines: int) -> list[str]:
    """First lines of the first result, as text, and ``…`` where it goes on; empty when there is none."""
    if not record["outputs"]:
        return []
    bucket, key = keys.split_uri(record["outputs"][0]["uri"])
    body = deployed.s3.get_object(Bucket=bucket, Key=key)["Body"].read(_HEAD_BYTES)
    found = body.decode("utf-8", "replace").splitlines()
    return found[:lines] + ["…"] * (len(found) > lines or len(body) == _HEAD_BYTES)


def fetch(
    deployed: Deployed, record: Mapping[str, Any], prefix: str, directory: Path, *, overwrite: bool = False
) -> Iterator[Fetched]:
    """Bring the results of a run into a directory, one after the other. Files that are there already, and right, stay.

    Every file is checked against the record before it gets its name.

    Raises:
        CliError: a checksum differs, a name would lead out of the directory, or another file has that name.
    """
    for output in record["outputs"]:
        bucket, key = keys.split_uri(output["uri"])
        path = directory / _inside(key.removeprefix(prefix))
        there = path.is_file() and _sha256(path) == output["sha256"]
        if path.exists() and not there and not overwrite:
            raise CliError(f"{path} exists and is not this result: give another directory, or --overwrite")
        if not there:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name[:200]}.partial")
            try:
                deployed.s3.download_file(bucket, key, str(partial))
                if _sha256(partial) != output["sha256"]:
                    raise CliError(f"{key} is not what the run published (SHA-256 differs): run it again")
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        yield Fetched(path=path, size=output["size"], already_there=there)


def _inside(name: str) -> PurePosixPath:
    """A relative path that stays below where it is put."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise CliError(f"the result {name!r} has a name that leads out of the directory: fetch it with `aws s3 cp`")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
