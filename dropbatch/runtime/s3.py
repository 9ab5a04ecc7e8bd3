"""The store of a run in S3."""

import contextlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbatch.contract import keys
from dropbatch.contract.deployment import resource_name
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.record import FileRecord, RunRecord
from dropbatch.runtime import fence, inputs, names, transfer
from dropbatch.runtime.errors import RefusedError, StageInError, StageOutError
from dropbatch.runtime.s3_errors import error_code, explain, failures
from dropbatch.runtime.store import Staged

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Store"]

_DELETE_AT_ONCE = 1000
_CONTROL = re.compile(r"[\x00-\x1f\ufffe\uffff]")
"""Characters that XML does not allow or changes. Objects with such keys cannot be deleted by DeleteObjects."""


class S3Store:
    """A run whose input and output are in S3."""

    def __init__(
        self, client: "S3Client", spec: RunSpec, *, output_bucket: str, job_id: str, environment: str = ""
    ) -> None:
        self._client = client
        self._spec = spec
        self._bucket = output_bucket
        self._job_id = job_id
        self.who = f"the job role {resource_name(environment, spec.pipeline, spec.group)}"
        self.input_uri = keys.uri(spec.bucket, spec.key)
        self.output_uri = keys.uri(output_bucket, spec.output)
        self.has_config = spec.config is not None
        self._note = keys.named_outputs_key(spec.group, spec.pipeline, spec.run_id)

    def claim(self) -> None:
        """Take the fence of this attempt."""
        spec = self._spec
        fence.claim(
            self._client,
            self._bucket,
            keys.started_key(spec.group, spec.pipeline, spec.run_id, spec.attempt),
            job_id=self._job_id,
            what=f"attempt {spec.attempt} of {spec.run_id}",
            who=self.who,
        )

    def discard(self) -> None:
        """Delete the objects of an earlier try: first its record, then the results that it had uploaded."""
        prefix = self._spec.output
        record = keys.record_key(prefix)
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            left = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
            if record in left:
                self._client.delete_object(Bucket=self._bucket, Key=record)
                left.remove(record)
            self._delete(left)
        except failures() as error:
            raise RefusedError(explain(self.who, "tidy up", self.output_uri, error)) from error

    def expected_inputs(self) -> list[FileRecord]:
        """Return the input that the manifest names."""
        spec = self._spec
        return [FileRecord(uri=self.input_uri, size=spec.size, sha256="", version_id=spec.version_id)]

    def noted_outputs(self) -> Sequence[str]:
        """Read the output URIs that an earlier try or attempt stored."""
        try:
            text = self._client.get_object(Bucket=self._bucket, Key=self._note)["Body"].read()
        except failures() as error:
            if error_code(error) in {"NoSuchKey", "AccessDenied"}:  # the latter without permission to list the bucket
                return ()
            raise StageInError(explain(self.who, "read", keys.uri(self._bucket, self._note), error)) from error
        uris: list[str] = json.loads(text)
        return uris

    def note_outputs(self, uris: Sequence[str]) -> None:
        """Store output URIs in an object beside the fences of the run."""
        body = json.dumps(uris, ensure_ascii=False).encode()
        self._write(self._note, lambda: self._client.put_object(Bucket=self._bucket, Key=self._note, Body=body))

    def stage_in(self, directory: Path) -> Staged:
        """Download the input below ``<directory>/0`` and the config below ``<directory>/config``."""
        plans = [inputs.plan_input(self._client, self._spec, directory / "0", self.who)]
        if self._spec.config is not None:
            plans.append(inputs.plan_config(self._client, self._spec.config, directory / "config", self.who))
        downloads = [each for plan in plans for each in plan.downloads]
        transfer.check_room(directory, sum(each.source.size for each in downloads))
        records = transfer.download(self._client, downloads, self.who)
        return Staged(
            input=plans[0].path,
            config=plans[1].path if len(plans) > 1 else None,
            records=records[: len(plans[0].downloads)],
            config_record=records[-1] if len(plans) > 1 else None,
            warnings=[warning for plan in plans for warning in plan.warnings],
        )

    def publish(self, results: Sequence[Path], root: Path) -> list[FileRecord]:
        """Check all keys, then upload the results in parallel."""
        wanted = [
            transfer.Upload(path, self._bucket, names.output_key(self._spec.output, path.relative_to(root)))
            for path in results
        ]
        try:
            return transfer.upload(self._client, wanted, self.who)
        except BaseException:
            self._withdraw([item.key for item in wanted])
            raise

    def withdraw(self, outputs: Sequence[FileRecord]) -> None:
        """Delete uploaded results. Errors are ignored, since the original error is the one to report."""
        own = (keys.split_uri(record.uri) for record in outputs)
        self._withdraw([key for bucket, key in own if bucket == self._bucket and key.startswith(self._spec.output)])

    def write_log(self, log: Path) -> None:
        """Upload ``_log.txt``."""
        key = keys.log_key(self._spec.output)
        transfer.upload(self._client, [transfer.Upload(log, self._bucket, key, "text/plain; charset=utf-8")], self.who)

    def write_record(self, record: RunRecord) -> None:
        """Upload ``_run.json``."""
        key = keys.record_key(self._spec.output)
        body = json.dumps(record.to_dict(), ensure_ascii=False, indent=2).encode("utf-8", "replace")
        self._write(
            key,
            lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json"),
        )

    def _write(self, key: str, act: Callable[[], Any]) -> None:
        try:
            act()
        except failures() as error:
            raise StageOutError(explain(self.who, "write", keys.uri(self._bucket, key), error)) from error

    def _withdraw(self, published: Sequence[str]) -> None:
        with contextlib.suppress(*failures()):
            self._delete(published)

    def _delete(self, published: Sequence[str]) -> None:
        """Delete keys.

        Raises:
            OSError: S3 refused some of them.
        """
        plain = [key for key in published if not _CONTROL.search(key)]
        for key in set(published) - set(plain):
            self._client.delete_object(Bucket=self._bucket, Key=key)
        for start in range(0, len(plain), _DELETE_AT_ONCE):
            some = [{"Key": key} for key in plain[start : start + _DELETE_AT_ONCE]]
            done = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": some, "Quiet": True})  # type: ignore[typeddict-item]
            for error in done.get("Errors", []):
                raise OSError(f"{error.get('Code')}: {error.get('Key')}")
