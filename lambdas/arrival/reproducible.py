"""Read what the records of earlier runs pin, and check whether their job definitions still exist."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from dropbatch.contract import keys
from dropbatch.contract.items import Run
from dropbatch.contract.manifest import ObjectSpec
from dropbatch.contract.reproduction import NotReproducibleError, Pins, folder_of, pins_of
from lambdas.arrival.dependencies import Dependencies
from lambdas.common.control_objects import read_object

__all__ = ["NotReproducibleError", "Originals", "output_beside"]

_T = TypeVar("_T")


def output_beside(run: Run, run_id: str) -> str:
    """Return the output prefix of run `run_id`, which has the same input as `run`."""
    parent: str = run.output_prefix.removesuffix(f"{run.run_id}/")
    return f"{parent}{run_id}/"


class Originals:
    """Reads records and job definitions of earlier runs."""

    def __init__(self, deps: Dependencies) -> None:
        self._s3 = deps.s3
        self._batch = deps.batch
        self._bucket = deps.bucket

    def pins(self, run: Run) -> Pins:
        """Return the pins of a run's record.

        Raises:
            NotReproducibleError: the record is missing or incomplete, or belongs to another run.
        """
        return self._of_record(run.output_prefix, run.run_id, pins_of)

    def pins_behind(self, run: Run) -> Pins:
        """Return the pins of the record of the original that `run` reproduces.

        Raises:
            NotReproducibleError: as in `pins`.
        """
        original = run.reproduces
        return self._of_record(output_beside(run, original), original, pins_of)

    def folder(self, run: Run) -> tuple[str, tuple[ObjectSpec, ...]]:
        """Return the id of an earlier run that read the same folder, and the objects that it read.

        The earlier run is the run itself (an earlier attempt), or the run that it repeats or reproduces. Both values
        are empty if none of them read the folder.
        """
        for run_id in (run.run_id, run.repeats, run.reproduces):
            if run_id:
                with suppress(NotReproducibleError):
                    objects = self._of_record(output_beside(run, run_id), run_id, folder_of)
                    if objects:
                        return run_id, objects
        return "", ()

    def gone(self, definitions: Iterable[str]) -> set[str]:
        """Return which of at most 100 job definitions (``name:revision``) are no longer active."""
        wanted = set(definitions)
        if not wanted:
            return set()
        described = self._batch.describe_job_definitions(jobDefinitions=sorted(wanted))["jobDefinitions"]
        active = {f"{each['jobDefinitionName']}:{each['revision']}" for each in described if each["status"] == "ACTIVE"}
        return wanted - active

    def _of_record(self, prefix: str, run_id: str, read: Callable[[Mapping[str, Any]], _T]) -> _T:
        """Return the result of `read` for the record of a run."""
        key = keys.record_key(prefix)
        text = read_object(self._s3, self._bucket, key)
        if text is None:
            raise NotReproducibleError(f"the record of {run_id} no longer exists: {keys.uri(self._bucket, key)}")
        try:
            record = json.loads(text)
        except ValueError as error:
            raise NotReproducibleError(f"the record of {run_id} is not JSON: {error}") from error
        try:
            result = read(record)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            if isinstance(error, NotReproducibleError):
                raise
            raise NotReproducibleError(f"the record of {run_id} has an unexpected format: {error!r}") from error
        if record["run_id"] != run_id:
            raise NotReproducibleError(f"the record of {run_id} belongs to {record['run_id']}")
        return result
