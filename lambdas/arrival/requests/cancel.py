"""Cancelling runs.

Whether a run that has not started will, nobody can know: its job may be on the way. So cancelling takes the run's
fence: who creates that first decides. If it was free, no job will ever start the run, and the run is CANCELLED at once,
with a record that says so; a job that waits in Batch is ended too, only to spare the queue. If a job holds it, that job
is ended, and its event tells the rest.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropbatch.contract import keys, ledger
from dropbatch.contract.endings import Ending
from dropbatch.contract.manifest import Manifest, ManifestError
from dropbatch.contract.runs import State, order
from lambdas.arrival.surroundings import Surroundings
from lambdas.common.announce import Announcer
from lambdas.common.items import read_items
from lambdas.common.limits import release, write_settling
from lambdas.common.objects import read_object
from lambdas.common.records import parse_record, record_of
from lambdas.common.specs import spec_of

__all__ = ["Canceller"]

log = logging.getLogger("dropbatch")

_MINE = "cancelled:"
_REASON = "cancelled on request before it started"
_CONFLICTS = {"PreconditionFailed", "412", "ConditionalRequestConflict"}
_UNWRITTEN = {"NoSuchKey", "AccessDenied"}  # the second where, as here, the bucket may not be listed
_ROUNDS = 5
_REMEMBERED = 10
_Item = Mapping[str, Any]


class Canceller:
    """Ends runs that are not over."""

    def __init__(self, around: Surroundings, announcer: Announcer) -> None:
        self._around = around
        self._announcer = announcer

    def cancel(self, items: Sequence[_Item], request: str) -> None:
        """Cancel runs, given as RUN items, on a request. Those that are over stay as they are.

        Repeating it is safe, and necessary after any error.
        """
        jobs = _Jobs(self._around)
        for item in items:
            marked = self._mark(item, request)
            if marked is None:
                log.info("%s was tried again since it was cancelled", item["id"])
            else:
                self._cancel(marked, jobs)

    def _cancel(self, item: _Item, jobs: "_Jobs") -> None:
        for _ in range(_ROUNDS):
            if State(item["state"]).final and not _untold(item):
                log.info("%s is %s already", item["id"], item["state"])
                return
            owner = self._take_fence(item)
            if owner.startswith(_MINE):
                item = self._end(item)
                if State(item["state"]).final:
                    self._spare_queue(item, jobs)
                    return
            else:
                self._terminate(owner)
                attempt = item["attempt"]
                item = self._read(item)
                if item["attempt"] == attempt:
                    return
            log.info("%s began anew meanwhile", item["id"])
        raise LookupError(f"{item['id']} begins anew again and again")

    def _mark(self, item: _Item, request: str) -> _Item | None:
        """Note the request on the run, so that it is not rescued from now on; returns it as it is now.

        None when the run was tried again since, which takes the mark off: a request that comes again does not mean that
        attempt. What was read may be old by now, so nothing is noted that does not follow from what is there.
        """
        for _ in range(_ROUNDS):
            known = item.get("requests")
            if known and request in known and "cancel" not in item:
                return None
            requests = [*(each for each in known or () if each != request), request][-_REMEMBERED:]
            values = {":request": request, ":requests": requests, ":attempt": item["attempt"]}
            unchanged = "attribute_not_exists(requests)" if known is None else "requests = :known"
            try:
                answer = self._around.dynamodb.update_item(
                    TableName=self._around.table,
                    Key=ledger.to_item({"id": item["id"]}),
                    UpdateExpression="SET cancel = :request, requests = :requests",
                    ConditionExpression=f"attempt = :attempt AND {unchanged}",
                    ExpressionAttributeValues=ledger.to_item(values if known is None else {**values, ":known": known}),
                    ReturnValues="ALL_NEW",
                )
            except self._around.dynamodb.exceptions.ConditionalCheckFailedException:
                item = self._read(item)
                continue
            return ledger.from_item(answer["Attributes"])
        raise LookupError(f"{item['id']} changes again and again")

    def _read(self, item: _Item) -> _Item:
        return read_items(self._around.dynamodb, self._around.table, [item["id"]])[item["id"]]

    def _take_fence(self, item: _Item) -> str:
        """Who holds the fence now: we, or a job by its id."""
        key = keys.started_key(item["group"], item["pipeline"], item["run_id"], item["attempt"])
        for _ in range(3):
            try:
                self._around.s3.put_object(
                    Bucket=self._around.bucket, Key=key, Body=f"{_MINE}{item['cancel']}".encode(), IfNoneMatch="*"
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _CONFLICTS:
                    raise
            try:
                found: bytes = self._around.s3.get_object(Bucket=self._around.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _UNWRITTEN:
                    raise
                continue  # somebody's write is still under way
            return found.decode("utf-8", "replace")
        raise LookupError(f"the fence {key} is being written by several at once")

    def _end(self, item: _Item) -> _Item:
        """Bring the attempt to its end; returns the run as it is now, which may be at another attempt."""
        now = ledger.timestamp(self._around.clock())
        # First the record: once the ledger has the end, a further attempt may write its own.
        self._write_record(item, now)
        fields: dict[str, Any] = {
            "state": State.CANCELLED,
            "order": order(item["attempt"], State.CANCELLED),
            "reason": _REASON,
            "not_started": list(self._around.deployment.descendants(item["pipeline"])),
            "updated_at": now,
            "stopped_at": now,
        }
        if "reserved" in item:
            fields["reserved"] = {**item["reserved"], "amount": 0}
        update = {
            "TableName": self._around.table,
            "Key": ledger.to_item({"id": item["id"]}),
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in fields),
            "ConditionExpression": "attempt = :attempt AND #order < :order",
            "ExpressionAttributeNames": {f"#{name}": name for name in fields},
            "ExpressionAttributeValues": ledger.to_item(
                {**{f":{name}": value for name, value in fields.items()}, ":attempt": item["attempt"]}
            ),
        }
        settlement = release(self._around.table, item, 0)
        # Not read once more where it was written: a request may have opened the next attempt already.
        written = write_settling(self._around.dynamodb, [{"Update": update}], settlement)
        ended = {**item, **fields} if written else self._read(item)
        if _untold(ended):
            self._announcer.tell([ended])
        return ended

    def _write_record(self, item: _Item, now: str) -> None:
        """Leave a record of an attempt that no job will begin, unless there is one of it or of a later one."""
        s3, bucket, key = self._around.s3, self._around.bucket, keys.record_key(item["output_prefix"])
        there = parse_record(read_object(s3, bucket, key))
        if there is None or there["attempt"] < item["attempt"]:
            record = record_of(spec_of(item), item, status=State.CANCELLED, reason=_REASON, stopped_at=now)
            s3.put_object(Bucket=bucket, Key=key, Body=record, ContentType="application/json")

    def _terminate(self, job_id: str) -> None:
        """End a job or a child of an array; one that is over already stays as it is."""
        try:
            self._around.batch.terminate_job(jobId=job_id, reason=Ending.CANCELLED)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ClientException":
                raise
            log.info("job %s cannot be ended: %s", job_id, error)  # Batch has forgotten it

    def _spare_queue(self, item: _Item, jobs: "_Jobs") -> None:
        """End a job that would find the fence taken. Not needed, so no error counts."""
        try:
            job_id = jobs.of(item)
            if job_id is not None:
                self._terminate(job_id)
        except (ClientError, BotoCoreError, ManifestError) as error:
            log.warning("the job of %s is left to end by itself: %s", item["id"], error)


class _Jobs:
    """Ids of the jobs that are to work on runs, each JOB item and each manifest read once."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._jobs: dict[str, _Item] = {}
        self._places: dict[str, dict[str, int]] = {}

    def of(self, item: _Item) -> str | None:
        """Id of a run's job, of its child when it is an array; None when there is none as yet."""
        name = item["job_name"]
        if name not in self._jobs:
            key = ledger.job_key(name)
            self._jobs[name] = read_items(self._around.dynamodb, self._around.table, [key]).get(key, {})
        job = self._jobs[name]
        if "job_id" not in job:
            return None
        job_id: str = job["job_id"]
        if job["size"] == 1:
            return job_id
        if name not in self._places:
            bucket, key = keys.split_uri(job["manifest"])
            runs = Manifest.from_json(self._around.s3.get_object(Bucket=bucket, Key=key)["Body"].read()).runs
            self._places[name] = {run.run_id: index for index, run in enumerate(runs)}
        index = self._places[name].get(item["run_id"])
        return None if index is None else f"{job_id}:{index}"


def _untold(item: _Item) -> bool:
    """Whether an earlier try to cancel ended before anybody heard of it."""
    return item["state"] == State.CANCELLED and "unfinished" in item
