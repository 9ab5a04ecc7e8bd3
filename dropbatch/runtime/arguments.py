"""``s3://`` arguments of a command: what exists is staged in, what does not is staged out."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbatch.contract import keys
from dropbatch.contract.options import Options
from dropbatch.contract.record import FileRecord
from dropbatch.runtime import inputs, names, objects, transfer, uris
from dropbatch.runtime.errors import RefusedError, StageInError
from dropbatch.runtime.files import find_results
from dropbatch.runtime.s3_errors import error_code, explain, failures

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Arguments"]

_FORBIDDEN = {"AccessDenied", "403", "Forbidden"}


class Arguments:
    """The URIs of one command, each with a directory of its own, so that names cannot collide."""

    def __init__(self, marked: Sequence[str], options: Options, client: Callable[[], "S3Client"], who: str) -> None:
        """`client` is called only when there is a URI."""
        self._marked = marked
        self._options = options
        self._make_client = client
        self._who = who
        self._mentions = uris.find(marked)
        self._outputs: dict[str, Path] = {}
        self.words = list(marked)
        """The command with local paths, once `stage_in` is done."""

    @property
    def outputs(self) -> list[str]:
        """URIs that are staged out."""
        return list(self._outputs)

    def stage_in(self, directory: Path, output: Path) -> tuple[list[FileRecord], list[str]]:
        """Bring what exists into ``directory``, make places for the rest below ``output``; records and warnings.

        Raises:
            StageInError: an input is not there or cannot be read.
        """
        if not self._mentions:
            return [], []
        client = self._make_client()
        paths: dict[uris.Mention, str] = {}
        plans: dict[str, inputs.Plan] = {}
        numbers = itertools.count(1)
        for mention in self._mentions:
            plan = plans.get(mention.uri)
            if plan is None and not mention.is_any_of(self._options.output_flags):
                plan = self._plan(client, mention, directory / f"{next(numbers)}")
            if plan is not None:
                plans[mention.uri] = plan
                slash = "/" if mention.uri.endswith("/") else ""
                paths[mention] = f"{plan.path}{slash}"
            else:
                paths[mention] = self._place(mention.uri, output / f"{next(numbers)}")
        downloads = [each for plan in plans.values() for each in plan.downloads]
        transfer.check_room(output, sum(each.source.size for each in downloads))
        records = transfer.download(client, downloads, self._who)
        self.words = uris.replace(self._marked, paths)
        return records, [warning for plan in plans.values() for warning in plan.warnings]

    def results(self) -> tuple[list[transfer.Upload], list[str]]:
        """What the program left at the places of its outputs, and warnings about places that stayed empty."""
        uploads: list[transfer.Upload] = []
        warnings: list[str] = []
        for uri, place in self._outputs.items():
            bucket, key = keys.split_uri(uri)
            if place.is_file():
                uploads.append(transfer.Upload(place, bucket, key))
                continue
            found, skipped = find_results(place)
            warnings += skipped
            if not found:
                warnings.append(f"the program left nothing for {uri}")
            prefix = key.rstrip("/") + "/"
            uploads += [
                transfer.Upload(path, bucket, names.output_key(prefix, path.relative_to(place))) for path in found
            ]
        return uploads, warnings

    def publish(self, uploads: Sequence[transfer.Upload]) -> list[FileRecord]:
        """Upload to where the command said. Raises `StageOutError`."""
        return transfer.upload(self._make_client(), uploads, self._who) if uploads else []

    def _place(self, uri: str, directory: Path) -> str:
        """A path for an output: a directory that exists when the URI ends in ``/``, else a name that does not."""
        directory.mkdir(parents=True)
        is_folder = uri.endswith("/")
        place = directory / names.file_name(uri.rstrip("/"))
        if is_folder:
            place.mkdir()
        self._outputs[uri] = place
        return f"{place}/" if is_folder else str(place)

    def _plan(self, client: "S3Client", mention: uris.Mention, directory: Path) -> inputs.Plan | None:
        """How to bring a URI in; None when nothing is there."""
        bucket, key = keys.split_uri(mention.uri)
        try:
            found = self._look(client, bucket, key)
        except failures() as error:
            if error_code(error) in _FORBIDDEN and not mention.is_any_of(self._options.input_flags):
                raise RefusedError(
                    f"{self._who} may not look whether {mention.uri} exists: name the bucket in read_buckets if it is "
                    "an input, its option in output_flags if it is an output"
                ) from error
            raise StageInError(explain(self._who, "read", mention.uri, error)) from error
        if isinstance(found, objects.Found):
            return inputs.file_in(directory, found.spec, found.etag)
        if found:
            return inputs.folder_in(directory, key.rstrip("/") + "/", found)
        if mention.is_any_of(self._options.input_flags):
            raise StageInError(f"{mention.uri} does not exist, and {mention.flag} names inputs: check the URI")
        return None

    @staticmethod
    def _look(client: "S3Client", bucket: str, key: str) -> objects.Found | list[objects.Found]:
        """The object, or what is below it as a folder."""
        if not key.endswith("/"):
            found = objects.latest(client, bucket, key)
            if found is not None:
                return found
        return list(objects.below(client, bucket, key.rstrip("/") + "/"))
