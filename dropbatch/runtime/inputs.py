"""Plan the downloads of a run's inputs: which objects, and to which paths."""

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

__all__ = ["Plan", "plan_config", "plan_file", "plan_folder", "plan_input"]


class Plan:
    """Downloads of one input, and the path that the program gets for it."""

    def __init__(self, path: Path, downloads: Sequence[Download], warnings: Sequence[str] = ()) -> None:
        self.path = path
        self.downloads = list(downloads)
        self.warnings = list(warnings)


def plan_input(client: "S3Client", spec: RunSpec, directory: Path, who: str) -> Plan:
    """Plan the run's input: a file, a folder with its current objects, or a pinned folder.

    Raises:
        StageInError: the folder cannot be listed, or an object cannot be a file.
    """
    if not spec.is_folder:
        source = ObjectSpec(bucket=spec.bucket, key=spec.key, version_id=spec.version_id, size=spec.size)
        return plan_file(directory, source)
    if spec.objects:
        found = [objects.ListedObject(each, "") for each in spec.objects]
    else:
        try:
            listed = list(objects.list_below(client, spec.bucket, spec.key))
        except failures() as error:
            raise StageInError(explain(who, "list", keys.uri(spec.bucket, spec.key), error)) from error
        left_out = {spec.marker}
        if spec.marker == keys.record_key(spec.key):  # the folder has the results of another run, whose log is no input
            left_out.add(keys.log_key(spec.key))
        found = [each for each in listed if each.spec.key not in left_out]
    plan = plan_folder(directory, spec.key, found)
    if not found:
        plan.warnings.append(f"the folder {keys.uri(spec.bucket, spec.key)} is empty")
    return plan


def plan_config(client: "S3Client", config: ObjectSpec, directory: Path, who: str) -> Plan:
    """Plan the config file, in its newest version if none is given.

    Raises:
        StageInError: it does not exist or cannot be read.
    """
    if config.version_id:
        return plan_file(directory, config)
    try:
        found = objects.head(client, config.bucket, config.key)
    except failures() as error:
        raise StageInError(explain(who, "read", keys.uri(config.bucket, config.key), error)) from error
    return plan_file(directory, found.spec, found.etag)


def plan_file(directory: Path, source: ObjectSpec, etag: str = "") -> Plan:
    """Plan one object, as the only file of a new directory."""
    directory.mkdir(parents=True)
    name = names.file_name(source.key)
    wanted = source.key.rpartition("/")[2]
    warnings = [f"the input's name cannot be a file's name here, the program saw {name}"] if name != wanted else []
    return Plan(directory / name, [Download(source, directory / name, etag or None)], warnings)


def plan_folder(directory: Path, prefix: str, found: Sequence[objects.ListedObject]) -> Plan:
    """Plan the objects of a folder, as files below a directory named like the last part of the prefix.

    Pinned objects outside the prefix get a separate directory each, so that names cannot collide.

    Raises:
        StageInError: a key cannot be a path, or one key is both a file and a directory.
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
