"""Runs that are to be made again: what their records pin, and whether that is still to be had."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from dropbatch.contract import keys
from dropbatch.contract.manifest import ObjectSpec
from dropbatch.contract.reproduction import NotReproducibleError, Pins, folder_of, pins_of
from lambdas.arrival.surroundings import Surroundings
from lambdas.common.objects import read_object

__all__ = ["NotReproducibleError", "Originals", "output_beside"]

_T = TypeVar("_T")


def output_beside(item: Mapping[str, Any], run_id: str) -> str:
    """Prefix of the results of another run over the input of a run, given as its RUN item."""
    above: str = item["output_prefix"].removesuffix(f"{item['run_id']}/")
    return f"{above}{run_id}/"


class Originals:
    """Looks at records and job definitions."""

    def __init__(self, around: Surroundings) -> None:
        self._s3 = around.s3
        self._batch = around.batch
        self._bucket = around.bucket

    def pins(self, item: Mapping[str, Any]) -> Pins:
        """What the record of a run pins, given as its RUN item.

        Raises:
            NotReproducibleError: the record is gone, says too little, or is another run's.
        """
        return self._of_record(item["output_prefix"], item["run_id"], pins_of)

    def pins_behind(self, item: Mapping[str, Any]) -> Pins:
        """What the original of a run pins: the RUN item is that of the run that makes it again.

        Raises:
            NotReproducibleError: as above.
        """
        original = item["reproduces"]
        return self._of_record(output_beside(item, original), original, pins_of)

    def folder(self, item: Mapping[str, Any]) -> tuple[str, tuple[ObjectSpec, ...]]:
        """What the folder of a run, given as its RUN item, consisted of when it was read, and the run that read it.

        That is an earlier attempt of the run, or the one that it makes or processes again. Empty if nobody read it.
        """
        for run_id in (item["run_id"], item.get("repeats"), item.get("reproduces")):
            if run_id:
                with suppress(NotReproducibleError):
                    found = self._of_record(output_beside(item, run_id), run_id, folder_of)
                    if found:
                        return run_id, found
        return "", ()

    def gone(self, definitions: Iterable[str]) -> set[str]:
        """Those of at most 100 job definitions, each ``name:revision``, that no job can be made of any more."""
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
            raise NotReproducibleError(f"the record of {run_id} is gone: {keys.uri(self._bucket, key)}")
        try:
            record = json.loads(text)
        except ValueError as error:
            raise NotReproducibleError(f"the record of {run_id} is no JSON: {error}") from error
        try:
            found = read(record)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            if isinstance(error, NotReproducibleError):
                raise
            raise NotReproducibleError(f"the record of {run_id} is not as it was written: {error!r}") from error
        if record["run_id"] != run_id:
            raise NotReproducibleError(f"the record of {run_id} is that of {record['run_id']}")
        return found
