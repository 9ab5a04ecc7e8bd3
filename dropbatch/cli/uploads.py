"""Drop files: choose keys, skip files that are there already, upload, and compute the ids of the runs."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import CliError, NotFoundError, UsageFault
from dropbatch.cli.multipart import Uploader, digests
from dropbatch.cli.thread_pool import thread_pool
from dropbatch.contract import keys, runs

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

__all__ = ["Drop", "Dropped", "Listener", "close_folder", "drop", "drop_all", "plan"]

_FILES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A file or directory to drop, and its key."""

    path: Path
    group: str
    pipeline: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A file that is in the bucket, and the run that it starts or started."""

    drop: Drop
    uri: str
    version_id: str
    run_id: str
    already_there: bool = False
    """Whether the key had the same content before: nothing was uploaded, nothing starts."""


class Listener(Protocol):
    """Callbacks for progress, called from several threads."""

    def read(self, count: int) -> None:
        """Bytes were read, to compute checksums."""

    def sent(self, count: int) -> None:
        """Bytes were uploaded, or skipped because they were there already."""


class _NoListener:
    def read(self, count: int) -> None:
        pass

    def sent(self, count: int) -> None:
        pass


def plan(files: Sequence[Path], *, group: str, pipeline: str, marker: str = "") -> list[Drop]:
    """Return all files, including those below directories, each with its key.

    `marker` is the name of the object that completes a folder: files of that name are left to `close_folder`.

    Raises:
        NotFoundError: a file does not exist.
        UsageFault: a path is not a regular file, a name is too long, or two files would get the same key.
    """
    if group == keys.SYSTEM_GROUP:
        raise UsageFault(f"{group} holds files that belong to no group: choose another --group to drop files")
    drops: dict[str, Drop] = {}
    for path, name in _named(files):
        if marker and name.rpartition("/")[2] == marker:
            continue
        key = f"{group}/{pipeline}/{name}"
        _check(path, key)
        if key in drops:
            raise UsageFault(
                f"{drops[key].path} and {path} would get the same key {key}: drop them one after the other"
            )
        drops[key] = Drop(path=path, group=group, pipeline=pipeline, key=key)
    return list(drops.values())


def _named(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield every file with its name below the pipeline's folder; a dropped directory's name is part of it."""
    for path in files:
        if not os.path.isdir(path):  # returns False for an impossible name, where pathlib raises
            yield path, path.name
            continue
        top = Path(os.path.abspath(path))  # resolves `.` to a directory with a name
        below = [Path(directory, name) for directory, _, names in sorted(os.walk(path)) for name in sorted(names)]
        if not below:
            raise UsageFault(f"{path} holds no files: give files, or a directory that contains files")
        for each in below:
            yield each, f"{top.name}/{each.relative_to(path).as_posix()}"


def _check(path: Path, key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise UsageFault(f"the name of {str(path)!r} is not UTF-8: rename the file") from None
    if size > keys.MAX_KEY_BYTES:
        raise UsageFault(
            f"{path.name} would get a key of {size} bytes, the maximum is {keys.MAX_KEY_BYTES}: shorten the name"
        )
    if not path.exists():
        raise NotFoundError(f"{path} does not exist")
    if not path.is_file():
        raise UsageFault(f"{path} is not a file: give files or directories")


def drop_all(
    deployed: Deployed, planned: Sequence[Drop], listener: Listener | None = None, *, again: bool = False
) -> Iterator[Dropped]:
    """Upload files in parallel; yield them in the order of the plan. `again`: also upload unchanged files."""
    listener = listener or _NoListener()
    if not planned:
        return
    sizes = {} if again else _sizes(deployed, planned)
    uploader = Uploader(deployed.s3, deployed.description.input_bucket, listener.sent)
    with thread_pool(_FILES_AT_ONCE) as pool:
        try:
            for each in [
                pool.submit(_drop, deployed, uploader, each, sizes.get(each.key), listener.read) for each in planned
            ]:
                yield each.result()
        finally:
            uploader.stop()


def drop(deployed: Deployed, planned: Drop) -> Dropped:
    """Upload one file, even if it is there already."""
    (dropped,) = drop_all(deployed, [planned], again=True)
    return dropped


def _sizes(deployed: Deployed, planned: Sequence[Drop]) -> dict[str, int]:
    """Return the sizes of existing objects, by key: only an object of the same size can be the same file."""
    bucket, wanted = deployed.description.input_bucket, {each.key for each in planned}
    found: dict[str, int] = {}
    pages = deployed.s3.get_paginator("list_objects_v2")
    for prefix in sorted(_prefixes(wanted)):
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            found.update((each["Key"], each["Size"]) for each in page.get("Contents", []) if each["Key"] in wanted)
    return found


def _prefixes(wanted: set[str]) -> set[str]:
    """Return the prefixes to list: dropped folders, and the keys of single files, whose folder may be huge."""
    return {"/".join(key.split("/")[:3]) + ("/" if key.count("/") > 2 else "") for key in wanted}


def _drop(
    deployed: Deployed, uploader: Uploader, planned: Drop, size_there: int | None, read: Callable[[int], None]
) -> Dropped:
    size = planned.path.stat().st_size
    sha256, md5 = digests(planned.path, read)
    if size_there == size:
        head = deployed.s3.head_object(Bucket=deployed.description.input_bucket, Key=planned.key)
        if _is_same(head, sha256, md5):
            uploader.sent(size)
            return _dropped(deployed, planned, head.get("VersionId", ""), already_there=True)
    return _dropped(deployed, planned, uploader.upload(planned.path, planned.key, sha256))


def _is_same(head: "HeadObjectOutputTypeDef", sha256: str, md5: str) -> bool:
    metadata: Mapping[str, str] = head["Metadata"]
    # Objects from other clients lack our SHA-256, but the ETag of an object uploaded in one piece is its MD5.
    return metadata.get(Uploader.SHA256) == sha256 or head["ETag"].strip('"') == md5


def _dropped(deployed: Deployed, planned: Drop, version_id: str, *, already_there: bool = False) -> Dropped:
    return Dropped(
        drop=planned,
        uri=keys.uri(deployed.description.input_bucket, planned.key),
        version_id=version_id,
        run_id=_identity(deployed, planned, planned.key, version_id),
        already_there=already_there,
    )


def _identity(deployed: Deployed, planned: Drop, key: str, version_id: str) -> str:
    bucket = deployed.description.input_bucket
    if not version_id:
        raise CliError(f"{bucket} has no versioning, so the run cannot be followed: deploy the environment again")
    return runs.run_id(group=planned.group, pipeline=planned.pipeline, bucket=bucket, key=key, version_id=version_id)


def close_folder(
    deployed: Deployed, directory: Path, files: Sequence[Dropped], *, group: str, pipeline: str, marker: str
) -> Dropped:
    """Upload the marker object that completes a dropped directory and so starts one run of the folder.

    Nothing is uploaded if the folder was complete and all of its `files` were there already.
    """
    folder = f"{group}/{pipeline}/{Path(os.path.abspath(directory)).name}/"
    planned = Drop(path=directory, group=group, pipeline=pipeline, key=folder)
    bucket = deployed.description.input_bucket
    unchanged = all(each.already_there for each in files if each.drop.key.startswith(folder))
    version_id = _version_of(deployed, folder + marker) if unchanged else ""
    already_there = bool(version_id)
    if not already_there:
        version_id = deployed.s3.put_object(Bucket=bucket, Key=folder + marker, Body=b"").get("VersionId", "")
    return Dropped(
        drop=planned,
        uri=keys.uri(bucket, folder),
        version_id=version_id,
        run_id=_identity(deployed, planned, folder, version_id),
        already_there=already_there,
    )


def _version_of(deployed: Deployed, key: str) -> str:
    """Return the version id of an object; empty if it does not exist."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 – slow

    try:
        return deployed.s3.head_object(Bucket=deployed.description.input_bucket, Key=key).get("VersionId", "")
    except ClientError as error:
        if error.response["Error"]["Code"] == "404":
            return ""
        raise
