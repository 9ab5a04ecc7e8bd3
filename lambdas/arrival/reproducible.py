"""Runs to be reproduced: what their records pin, and whether it still exists."""

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
    """Return the prefix for the results of another run over a run's input."""
    above: str = run.output_prefix.removesuffix(f"{run.run_id}/")
    return f"{above}{run_id}/"


class Originals:
    """Looks at records and job definitions."""

    def __init__(self, deps: Dependencies) -> None:
        self._s3 = deps.s3
        self._batch = deps.batch
        self._bucket = deps.bucket

    def pins(self, run: Run) -> Pins:
        """Return what the record of a run pins.

        Raises:
            NotReproducibleError: the record is gone, says too little, or is another run's.
        """
        return self._of_record(run.output_prefix, run.run_id, pins_of)

    def pins_behind(self, run: Run) -> Pins:
        """Return what the record of the original pins; `run` is the run that reproduces it.

        Raises:
            NotReproducibleError: as above.
        """
        original = run.reproduces
        return self._of_record(output_beside(run, original), original, pins_of)

    def folder(self, run: Run) -> tuple[str, tuple[ObjectSpec, ...]]:
        """Return the run that read a run's folder, and the objects that the folder had then.

        It is an earlier attempt of the run itself, or the run that it reproduces or repeats. Empty if nobody read it.
        """
        for run_id in (run.run_id, run.repeats, run.reproduces):
            if run_id:
                with suppress(NotReproducibleError):
                    found = self._of_record(output_beside(run, run_id), run_id, folder_of)
                    if found:
                        return run_id, found
        return "", ()

    def gone(self, definitions: Iterable[str]) -> set[str]:
        """Return those of at most 100 job definitions, each ``name:revision``, that are not active any more."""
        wanted = set(definitions)
        if not wanted:
            return set()
        found = self._batch.describe_job_definitions(jobDefinitions=sorted(wanted))["jobDefinitions"]
        active = {f"{each['jobDefinitionName']}:{each['revision']}" for each in found if each["status"] == "ACTIVE"}
        return wanted - active

    def _of_record(self, prefix: str, run_id: str, read: Callable[[Mapping[str, Any]], _T]) -> _T:
        """What `read` makes of the record of a run."""
        key = keys.record_key(prefix)
        text = read_object(self._s3, self._bucket, key)
        if text is None:
            raise NotReproducibleError(f"the record of {run_id} no longer exists: {keys.uri(self._bucket, key)}")
        try:
            record = json.loads(text)
        except ValueError as error:
            raise NotReproducibleError(f"the record of {run_id} is not JSON: {error}") from error
        try:
            found = read(record)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            if isinstance(error, NotReproducibleError):
                raise
            raise NotReproducibleError(f"the record of {run_id} has an unexpected format: {error!r}") from error
        if record["run_id"] != run_id:
            raise NotReproducibleError(f"the record of {run_id} belongs to {record['run_id']}")
        return found
