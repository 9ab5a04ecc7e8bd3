"""Dropping files: keys, checks before anything is sent, and the upload that tells which version it made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import CliError, NotFoundError, UsageFault
from dropbatch.contract import keys, runs

__all__ = ["Drop", "Dropped", "drop", "plan"]


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A file and the key that it will get."""

    path: Path
    group: str
    pipeline: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A file that arrived, and the run that it starts."""

    drop: Drop
    uri: str
    version_id: str
    run_id: str


def plan(files: Sequence[Path], *, group: str, pipeline: str) -> list[Drop]:
    """Give every file its key, or refuse them all.

    Raises:
        NotFoundError, UsageFault: a file is missing, is no file, has too long a name, or shares its name with another.
    """
    if group == keys.SYSTEM_GROUP:
        raise UsageFault(f"{group} holds files that belong to no group, nothing can be dropped there: see --group")
    drops: dict[str, Drop] = {}
    for path in files:
        key = f"{group}/{pipeline}/{path.name}"
        try:
            size = len(key.encode())
        except UnicodeEncodeError:
            raise UsageFault(f"the name of {str(path)!r} is not UTF-8: rename the file") from None
        if size > keys.MAX_KEY_BYTES:
            raise UsageFault(
                f"{path.name} would get a key of {size} bytes, {keys.MAX_KEY_BYTES} are taken: shorten the name"
            )
        if not path.exists():
            raise NotFoundError(f"{path} does not exist")
        if not path.is_file():
            raise UsageFault(f"{path} is not a file: give files, for instance {path}/*")
        if key in drops:
            raise UsageFault(
                f"{drops[key].path} and {path} would get the same key {key}: drop them one after the other"
            )
        drops[key] = Drop(path=path, group=group, pipeline=pipeline, key=key)
    return list(drops.values())


def drop(deployed: Deployed, planned: Drop) -> Dropped:
    """Upload one file. The run's id follows from the version that S3 answers with, so nobody need be asked for it."""
    bucket = deployed.description.input_bucket
    versions: list[str] = []

    def remember(parsed: dict[str, Any], **_: Any) -> None:
        versions.append(parsed.get("VersionId", ""))

    # s3transfer does not hand out the answers of S3; the client's events do, for both ways of uploading.
    events = deployed.s3.meta.events
    operations = ("PutObject", "CompleteMultipartUpload")
    for operation in operations:
        events.register(f"after-call.s3.{operation}", remember)
    try:
        deployed.s3.upload_file(str(planned.path), bucket, planned.key)
    finally:
        for operation in operations:
            events.unregister(f"after-call.s3.{operation}", remember)
    version_id = versions[-1] if versions else ""
    if not version_id:
        raise CliError(f"{bucket} has no versioning, so the run cannot be followed: deploy the environment again")
    run_id = runs.run_id(
        group=planned.group, pipeline=planned.pipeline, bucket=bucket, key=planned.key, version_id=version_id
    )
    return Dropped(drop=planned, uri=keys.uri(bucket, planned.key), version_id=version_id, run_id=run_id)
