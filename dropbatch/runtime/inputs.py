"""Inputs of a run in S3: which objects, and where their copies go."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbatch.contract import keys
from dropbatch.contract.manifest import ObjectSpec, RunSpec
from dropbatch.runtime import names, objects
from dropbatch.runtime.errors import StageInError
from dropbatch.runtime.s3_errors import explain, failures
from dropbatch.runtime.transfer import Download

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Plan", "config_of", "file_in", "folder_in", "input_of"]


class Plan:
    """What to download, and the path that the program is given for it."""

    def __init__(self, path: Path, downloads: Sequence[Download], warnings: Sequence[str] = ()) -> None:
        self.path = path
        self.downloads = list(downloads)
        self.warnings = list(warnings)


def input_of(client: "S3Client", spec: RunSpec, directory: Path, who: str) -> Plan:
    """The run's input: a file, a folder as it is now, or a folder of pinned objects.

    Raises:
        StageInError: it cannot be listed, or has objects that cannot be files.
    """
    if not spec.is_folder:
        source = ObjectSpec(bucket=spec.bucket, key=spec.key, version_id=spec.version_id, size=spec.size)
        return file_in(directory, source)
    if spec.objects:
        found = [objects.Found(each, "") for each in spec.objects]
    else:
        try:
            listed = list(objects.below(client, spec.bucket, spec.key))
        except failures() as error:
            raise StageInError(explain(who, "list", keys.uri(spec.bucket, spec.key), error)) from error
        left_out = {spec.marker}
        if spec.marker == keys.record_key(spec.key):  # what a run before this one left: its log is no result either
            left_out.add(keys.log_key(spec.key))
        found = [each for each in listed if each.spec.key not in left_out]
    plan = folder_in(directory, spec.key, found)
    if not found:
        plan.warnings.append(f"the folder {keys.uri(spec.bucket, spec.key)} is empty")
    return plan


def config_of(client: "S3Client", config: ObjectSpec, directory: Path, who: str) -> Plan:
    """The config file; without a version the newest one is taken.

    Raises:
        StageInError: it cannot be found.
    """
    if config.version_id:
        return file_in(directory, config)
    try:
        found = objects.by_head(client, config.bucket, config.key)
    except failures() as error:
        raise StageInError(explain(who, "read", keys.uri(config.bucket, config.key), error)) from error
    return file_in(directory, found.spec, found.etag)


def file_in(directory: Path, source: ObjectSpec, etag: str = "") -> Plan:
    """One object, as the only file of a directory that is made for it."""
    directory.mkdir(parents=True)
    name = names.file_name(source.key)
    wanted = source.key.rpartition("/")[2]
    warnings = [f"the input's name cannot be a file's name here, the program saw {name}"] if name != wanted else []
    return Plan(directory / name, [Download(source, directory / name, etag or None)], warnings)


def folder_in(directory: Path, prefix: str, found: Sequence[objects.Found]) -> Plan:
    """Objects below a prefix, as files below a directory named like the last part of the prefix.

    Pinned objects from elsewhere get a directory each beside the folder's own files: names cannot collide.

    Raises:
        StageInError: a key cannot be a path, or two exclude each other.
    """
    root = directory / names.file_name(prefix.rstrip("/"))
    root.mkdir(parents=True)
    downloads = []
    for number, each in enumerate(found):
        key = each.spec.key
        if key.startswith(prefix):
            path = root / names.path_below(prefix, key)
        else:
            path = root / f"{number:05d}" / names.file_name(key)
        downloads.append(Download(each.spec, path, each.etag or None))
    files = {download.path for download in downloads}
    made = {root}
    for download in downloads:
        parents = [parent for parent in download.path.parents if parent.is_relative_to(root)]
        for parent in parents:
            if parent in files:
                raise StageInError(
                    f"the object {download.source.key!r} cannot be a file: another object is named like its "
                    "directory: rename one of them"
                )
        if download.path.parent not in made:
            download.path.parent.mkdir(parents=True, exist_ok=True)
            made.update(parents)
    return Plan(root, downloads)
