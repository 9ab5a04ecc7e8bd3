"""Results of runs: read records and logs; download files and verify their checksums."""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import CliError, NotFoundError, ReachError, UsageFault, in_words
from dropbatch.cli.runs import FULL_ID
from dropbatch.cli.thread_pool import thread_pool
from dropbatch.contract import keys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Fetched", "fetch", "newest_run", "read_head", "read_log", "read_record"]

_HEAD_BYTES = 64 * 1024
_BLOCK = 1024 * 1024
_FILES_AT_ONCE = 8
_RUN_DIRECTORY = re.compile(rf"(.+/{FULL_ID.pattern}/).*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A result file on the local disk."""

    path: Path
    size: int
    already_there: bool


def newest_run(deployed: Deployed, group: str, text: str) -> str:
    """Return the output prefix of an input's newest run; for the key or URI of a result, that of its run.

    Raises:
        NotFoundError: no run of the input has published results.
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
    # A bare file name such as `notes.txt` is looked up in the folders of all pipelines.
    tried = [key] if "/" in key else [f"{group}/{pipeline}/{key}" for pipeline in description.pipelines]
    found = [entry for each in tried for entry in _runs_below(deployed, each + "/")]
    if not found:
        raise NotFoundError(f"no run of {key} has published results: see `dropbatch status`")
    return max(found)[1]


def _runs_below(deployed: Deployed, prefix: str) -> list[tuple[Any, str]]:
    """Return the ended runs below an input's prefix, each as (time of its record, output prefix)."""
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
    """Return the run record below an output prefix.

    Raises:
        NotFoundError: there is no record yet.
    """
    text = _read(deployed, keys.record_key(prefix))
    if text is None:
        raise NotFoundError("the run has no record yet: see `dropbatch status`")
    record: dict[str, Any] = json.loads(text)
    return record


def read_log(deployed: Deployed, prefix: str) -> bytes | None:
    """Return the program's log, or None when there is none."""
    return _read(deployed, keys.log_key(prefix))


def _read(deployed: Deployed, key: str) -> bytes | None:
    s3, bucket = deployed.s3, deployed.description.output_bucket
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    except s3.exceptions.ClientError as error:
        # S3 answers AccessDenied for a missing object if the caller may list only below a folder, as members may.
        if error.response["Error"]["Code"] != "AccessDenied" or _is_there(s3, bucket, key):
            raise
        return None


def _is_there(s3: "S3Client", bucket: str, key: str) -> bool:
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
    return any(each["Key"] == key for each in listed)


def read_head(deployed: Deployed, record: Mapping[str, Any], *, lines: int) -> list[str]:
    """Return the first lines of the first result, then ``…`` if it has more; empty without results."""
    if not record["outputs"]:
        return []
    bucket, key = keys.split_uri(record["outputs"][0]["uri"])
    body = deployed.s3.get_object(Bucket=bucket, Key=key)["Body"].read(_HEAD_BYTES)
    found = body.decode("utf-8", "replace").splitlines()
    return found[:lines] + ["…"] * (len(found) > lines or len(body) == _HEAD_BYTES)


def fetch(
    deployed: Deployed,
    record: Mapping[str, Any],
    prefix: str,
    directory: Path,
    *,
    overwrite: bool = False,
    received: Callable[[int], None] = lambda count: None,
) -> Iterator[Fetched]:
    """Download the results of a run into a directory, in parallel; yield them in the order of the record.

    Files that exist with the right checksum are kept. Interrupted downloads are resumed. Every file is checked against
    the record before it gets its final name. `received` is called with numbers of bytes, from several threads.

    Raises:
        CliError: a checksum differs, a name leads out of the directory, or another file has that name.
    """
    # Check all names before the first download: none may lead out of the directory.
    planned = [
        (output, directory / _inside(keys.split_uri(output["uri"])[1].removeprefix(prefix)))
        for output in record["outputs"]
    ]
    stopped = threading.Event()
    s3 = deployed.s3  # created before the threads start

    def fetch_one(output: Mapping[str, Any], path: Path) -> Fetched:
        already_there = path.is_file() and path.stat().st_size == output["size"] and _sha256(path) == output["sha256"]
        if path.exists() and not already_there and not overwrite:
            raise CliError(f"{path} exists and differs from this result: give another directory, or --overwrite")
        if already_there:
            received(output["size"])
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _download(s3, output, path, received, stopped)
        return Fetched(path=path, size=output["size"], already_there=already_there)

    with thread_pool(_FILES_AT_ONCE) as pool:
        try:
            for each in [pool.submit(fetch_one, output, path) for output, path in planned]:
                yield each.result()
        finally:
            stopped.set()


def _download(
    s3: "S3Client",
    output: Mapping[str, Any],
    path: Path,
    received: Callable[[int], None],
    stopped: threading.Event,
) -> None:
    """Download one file, resuming a partial download of the same content."""
    key = keys.split_uri(output["uri"])[1]
    # Its name contains the checksum, so that a partial download of another result is never resumed.
    partial = path.with_name(f".{path.name[:160]}.{output['sha256'][:16]}.partial")
    if partial.is_file() and partial.stat().st_size > output["size"]:
        partial.unlink()
    partial.touch()
    begun = partial.stat().st_size
    received(begun)
    while begun < output["size"]:
        try:
            _receive(s3, output["uri"], partial, path, received=received, stopped=stopped)
        except Exception as error:
            # Some bytes arrived, so the connection was cut: a new one may deliver the rest.
            if partial.stat().st_size == begun or not isinstance(in_words(error), ReachError):
                raise
        if stopped.is_set():
            return
        if partial.stat().st_size == begun:
            break  # the object in S3 is shorter than the record says
        begun = partial.stat().st_size
    if _sha256(partial) != output["sha256"]:
        partial.unlink()
        raise CliError(f"{key} differs from what the run published (SHA-256): fetch it again, or rerun the run")
    partial.replace(path)


def _receive(
    s3: "S3Client", uri: str, partial: Path, path: Path, *, received: Callable[[int], None], stopped: threading.Event
) -> None:
    """Append the missing bytes of an object to a partial file; `path` is its final name, for error messages."""
    bucket, key = keys.split_uri(uri)
    begun = partial.stat().st_size
    span = {"Range": f"bytes={begun}-"} if begun else {}
    body = s3.get_object(Bucket=bucket, Key=key, **span)["Body"]  # type: ignore[arg-type]
    with partial.open("ab") as file:
        while block := body.read(_BLOCK):
            if stopped.is_set():
                return
            try:
                file.write(block)
            except OSError as error:
                raise CliError(
                    f"{path}: {error.strerror}: free some space or give another directory; "
                    "repeat the command to continue"
                ) from error
            received(len(block))


def _inside(name: str) -> PurePosixPath:
    """Return the name as a relative path.

    Raises:
        CliError: it leads out of the directory.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise CliError(f"the result {name!r} has a name that leads out of the directory: fetch it with `aws s3 cp`")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
