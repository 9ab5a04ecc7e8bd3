"""``s3://`` URIs in a command: existing objects are staged in, the others are staged out after the program."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dropbatch.contract import keys
from dropbatch.contract.manifest import ObjectSpec
from dropbatch.contract.options import Options
from dropbatch.contract.record import FileRecord
from dropbatch.runtime import inputs, names, objects, transfer, uris
from dropbatch.runtime.errors import RefusedError, StageInError
from dropbatch.runtime.files import find_results
from dropbatch.runtime.s3_errors import error_code, explain, failures
from dropbatch.runtime.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Arguments", "OriginalUris"]

_FORBIDDEN = {"AccessDenied", "403", "Forbidden"}


@dataclass(frozen=True, kw_only=True)
class OriginalUris:
    """Inputs and outputs that URIs in the command named in the original run, for a run that reproduces it."""

    inputs: Sequence[ObjectSpec] = ()
    """Objects to read, with their versions."""
    outputs: Sequence[str] = ()
    """URIs of files to write, even if they exist."""


class Arguments:
    """The URIs in a command. Each gets a separate local directory, so that names cannot collide."""

    def __init__(
        self,
        marked: Sequence[str],
        options: Options,
        client: Callable[[], "S3Client"],
        store: Store,
        named: OriginalUris,
    ) -> None:
        """`marked` is the command after `command.mark`; `client` is called only if there is a URI."""
        self._marked = marked
        self._options = options
        self._make_client = client
        self._store = store
        self._who = store.who
        self._named = named
        self._mentions = uris.find(marked)
        self._noted: Sequence[str] = ()
        self._outputs: dict[str, Path] = {}
        self.words = list(marked)
        """The command; after `stage_in`, with local paths."""

    @property
    def outputs(self) -> list[str]:
        """URIs to stage out."""
        return list(self._outputs)

    def stage_in(self, directory: Path, output: Path) -> tuple[list[FileRecord], list[str]]:
        """Download existing objects below ``directory``, and choose paths for outputs below ``output``.

        Returns:
            Records of the downloaded files, and warnings.

        Raises:
            StageInError: an input does not exist or cannot be read.
            RefusedError: the job is not allowed to check whether an object exists.
        """
        if not self._mentions:
            return [], []
        client = self._make_client()
        self._noted = self._store.noted_outputs()
        numbers = itertools.count(1)
        plans: dict[str, inputs.Plan] = {}
        paths: dict[uris.Mention, str] = {}
        for mention in self._mentions:
            is_output = self._is_output(mention)
            if mention.uri not in plans and not is_output:
                plan = self._plan(client, mention, directory / f"{next(numbers)}")
                if plan is not None:
                    plans[mention.uri] = plan
            if mention.uri in plans and not is_output:
                slash = "/" if mention.uri.endswith("/") else ""
                paths[mention] = f"{plans[mention.uri].path}{slash}"
            else:
                paths[mention] = self._place(mention.uri, output)
        downloads = [each for plan in plans.values() for each in plan.downloads]
        transfer.check_room(output, sum(each.source.size for each in downloads))
        records = transfer.download(client, downloads, self._who)
        self.words = uris.replace(self._marked, paths)
        return records, [warning for plan in plans.values() for warning in plan.warnings]

    def _is_input(self, mention: uris.Mention) -> bool:
        return mention.is_any_of(self._options.input_flags)

    def _is_output(self, mention: uris.Mention) -> bool:
        """Whether a URI is known to be an output, without a look at the bucket."""
        if mention.is_any_of(self._options.output_flags):
            return True
        if self._is_input(mention):
            return False
        below = mention.uri.rstrip("/") + "/"
        was_written = any(uri == mention.uri or uri.startswith(below) for uri in self._named.outputs)
        return mention.uri in self._noted or (was_written and not self._original_objects(*keys.split_uri(mention.uri)))

    def results(self) -> tuple[list[transfer.Upload], list[str]]:
        """Return the files that the program wrote for its output URIs, and warnings about missing outputs."""
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
        """Upload files to the output URIs. Raises `StageOutError`."""
        if not uploads:
            return []
        self._store.note_outputs(self.outputs)
        return transfer.upload(self._make_client(), uploads, self._who)

    def _place(self, uri: str, directory: Path) -> str:
        """The local path of an output: an existing directory if the URI ends in ``/``, else the path of a new file."""
        is_folder = uri.endswith("/")
        if uri not in self._outputs:
            own = directory / f"{len(self._outputs) + 1}"
            self._outputs[uri] = own / names.file_name(uri.rstrip("/"))
            (self._outputs[uri] if is_folder else own).mkdir(parents=True)
        return f"{self._outputs[uri]}/" if is_folder else str(self._outputs[uri])

    def _plan(self, client: "S3Client", mention: uris.Mention, directory: Path) -> inputs.Plan | None:
        """The plan to download a URI; None when no object is there."""
        bucket, key = keys.split_uri(mention.uri)
        try:
            originals = self._original_objects(bucket, key)
            is_pinned = bool(originals) and all(each.spec.version_id for each in originals)
            found = originals if is_pinned else self._list(client, bucket, key)
        except failures() as error:
            if error_code(error) in _FORBIDDEN and not self._is_input(mention):
                raise RefusedError(
                    f"{self._who} is not allowed to check whether {mention.uri} exists: if it is an input, name its "
                    "bucket in read_buckets; if it is an output, name its option in output_flags"
                ) from error
            raise StageInError(explain(self._who, "read", mention.uri, error)) from error
        if found and found[0].spec.key == key:
            return inputs.plan_file(directory, found[0].spec, found[0].etag)
        if found:
            return inputs.plan_folder(directory, key.rstrip("/") + "/", found)
        if self._is_input(mention):
            raise StageInError(f"{mention.uri} does not exist, and {mention.flag} names inputs: check the URI")
        return None

    def _original_objects(self, bucket: str, key: str) -> list[objects.ListedObject]:
        """The objects that the original run found at a URI."""
        below = key.rstrip("/") + "/"
        here = [each for each in self._named.inputs if each.bucket == bucket]
        found = [each for each in here if each.key == key] or [each for each in here if each.key.startswith(below)]
        return [objects.ListedObject(each, "") for each in found]

    @staticmethod
    def _list(client: "S3Client", bucket: str, key: str) -> list[objects.ListedObject]:
        """The object at a key, or the objects below it."""
        if not key.endswith("/"):
            found = objects.latest_version(client, bucket, key)
            if found is not None:
                return [found]
        return list(objects.list_below(client, bucket, key.rstrip("/") + "/"))
