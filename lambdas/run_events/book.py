"""The ledger and the control objects as the run events function reads them."""

import heapq
import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.manifest import Manifest, RunSpec
from dropbatch.contract.runs import order
from lambdas.common.items import read_items
from lambdas.common.records import parse_record
from lambdas.run_events.changes import JobChange

__all__ = ["Book"]

log = logging.getLogger("dropbatch")

_TAIL_BYTES = 16_384
_TAIL_LINES = 20
_BEFORE_ALL = "0"  # a timestamp before all others; DynamoDB takes no empty key
_LINE = 400  # characters of a line of the log that are worth mailing


class Book:
    """RUN and JOB items of one deployment, the manifests that join them, fences, records and logs."""

    def __init__(
        self, *, dynamodb: Any, s3: Any, table: str, bucket: str, clock: ledger.Clock = ledger.utc_now
    ) -> None:
        """`bucket` is the output bucket."""
        self._dynamodb = dynamodb
        self._s3 = s3
        self._table = table
        self._bucket = bucket
        self._clock = clock
        # A 10,000-child array is 30,000 events; its manifest is read once while this function stays warm.
        self._manifest = lru_cache(maxsize=16)(self._read_manifest)

    def job(self, job_name: str) -> dict[str, Any] | None:
        """JOB item in plain values, or None."""
        return self._get(ledger.job_key(job_name))

    def run(self, run: RunSpec) -> dict[str, Any] | None:
        """RUN item in plain values, or None."""
        return self._get(ledger.run_key(run.group, run.run_id))

    def paused(self) -> dict[str, Any] | None:
        """The flag that says the deployment is paused, or None."""
        return self._get(ledger.PAUSED)

    def dry(self, pools: Iterable[str]) -> frozenset[str]:
        """Those of the pools that have no capacity."""
        flags = {ledger.dry_key(pool): pool for pool in pools}
        now = ledger.timestamp(self._clock())
        found = read_items(self._dynamodb, self._table, flags)
        return frozenset(flags[key] for key, flag in found.items() if flag["until"] > now)

    def mark_dry(self, pool: str, reason: str) -> None:
        """Note that a pool has no capacity, so that runs pass it over for a while."""
        now = self._clock()
        flag = {
            "id": ledger.dry_key(pool),
            "since": ledger.timestamp(now),
            "until": ledger.timestamp(now + ledger.DRY),
            "reason": reason,
        }
        self._dynamodb.put_item(TableName=self._table, Item=ledger.to_item(flag))
        log.warning("pool %s has no capacity until %s: %s", pool, flag["until"], reason)

    def runs_of(self, job: Mapping[str, Any]) -> tuple[RunSpec, ...]:
        """The runs that a job works on, by index of its array; a plain job has one."""
        return self._manifest(job["manifest"]).runs

    def move(self, run: RunSpec, change: JobChange) -> dict[str, Any] | None:
        """Bring a run to a state that is not final; returns its item, or None for a late or doubled change."""
        values = {
            ":state": change.state,
            ":order": order(run.attempt, change.state),
            ":now": ledger.timestamp(self._clock()),
            ":job": change.job_id,
        }
        update = "SET #state = :state, #order = :order, updated_at = :now, job_id = :job"
        if change.started_at:
            update += ", started_at = :started_at"
            values[":started_at"] = change.started_at
        if change.log_stream:
            # People read the log of a run that has not ended; they may not ask Batch where it is.
            update += ", log_stream = :log_stream"
            values[":log_stream"] = change.log_stream
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=ledger.to_item({"id": ledger.run_key(run.group, run.run_id)}),
                UpdateExpression=update,
                ConditionExpression="attribute_exists(id) AND #order < :order",
                ExpressionAttributeNames={"#state": "state", "#order": "order"},
                ExpressionAttributeValues=ledger.to_item(values),
                ReturnValues="ALL_NEW",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return None
        return ledger.from_item(answer["Attributes"])

    def submitted(self, job_name: str, job_id: str) -> None:
        """Note the id of a job whose submission went unanswered."""
        self._dynamodb.update_item(
            TableName=self._table,
            Key=ledger.to_item({"id": ledger.job_key(job_name)}),
            UpdateExpression="SET #state = :submitted, job_id = :id REMOVE refused, #day, created_at",
            ConditionExpression="attribute_exists(id)",
            ExpressionAttributeNames={"#state": "state", "#day": "day"},
            ExpressionAttributeValues=ledger.to_item({":submitted": "SUBMITTED", ":id": job_id}),
        )

    def set_moved(self, job_name: str) -> None:
        """Note that a job is cancelled so that its runs go to another pool."""
        self._dynamodb.update_item(
            TableName=self._table,
            Key=ledger.to_item({"id": ledger.job_key(job_name)}),
            UpdateExpression="SET moved = :yes",
            ConditionExpression="attribute_exists(id)",
            ExpressionAttributeValues=ledger.to_item({":yes": True}),
        )

    def unfinished(self, *, after: str | None, before: str) -> Iterator[dict[str, Any]]:
        """RUN items that are unfinished, or final but not told of, by the moment when they were last touched.

        `after` and `before` are `timestamp`s between which that was.
        """
        shards = [self._untouched(shard, after or _BEFORE_ALL, before) for shard in ledger.unfinished_keys()]
        return heapq.merge(*shards, key=lambda item: item["updated_at"])

    def _untouched(self, shard: str, after: str, before: str) -> Iterator[dict[str, Any]]:
        for page in self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=ledger.UNFINISHED,
            KeyConditionExpression="unfinished = :shard AND updated_at BETWEEN :after AND :before",
            ExpressionAttributeValues=ledger.to_item({":shard": shard, ":after": after, ":before": before}),
        ):
            yield from map(ledger.from_item, page["Items"])

    def bookmark(self) -> str | None:
        """The moment at which reconcile goes on, or None to begin anew."""
        found = self._get(ledger.RECONCILED)
        return found["until"] if found else None

    def set_bookmark(self, moment: str | None) -> None:
        """Note where the next reconcile goes on; None: it begins anew."""
        if moment is None:
            self._dynamodb.delete_item(TableName=self._table, Key=ledger.to_item({"id": ledger.RECONCILED}))
            return
        item = ledger.to_item({"id": ledger.RECONCILED, "until": moment})
        self._dynamodb.put_item(TableName=self._table, Item=item)

    def fence_owner(self, group: str, pipeline: str, run_id: str, attempt: int) -> str | None:
        """Id of the job that took the fence of an attempt, or None when no job did."""
        return self._read(keys.started_key(group, pipeline, run_id, attempt))

    def close_fence(self, run: RunSpec, job_id: str) -> str | None:
        """Take the fence of an attempt in the name of a job that ended without; returns whose it is.

        From here on a second job of the same attempt, should there be one, finds the fence taken.
        """
        key = keys.started_key(run.group, run.pipeline, run.run_id, run.attempt)
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=job_id.encode(), IfNoneMatch="*")
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
                raise
            return self._read(key)
        return job_id

    def record(self, run: RunSpec) -> dict[str, Any] | None:
        """The run record, of whatever attempt, or None."""
        return parse_record(self._read(keys.record_key(run.output)))

    def write_record(self, run: RunSpec, record: bytes) -> None:
        """Write the record of a run whose container could not."""
        key = keys.record_key(run.output)
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=record, ContentType="application/json")

    def log_tail(self, run: RunSpec) -> list[str]:
        """The last lines of a run's log."""
        text = self._read(keys.log_key(run.output), last=_TAIL_BYTES) or ""
        return [line[:_LINE] for line in text.splitlines()[-_TAIL_LINES:]]

    def _get(self, item_id: str) -> dict[str, Any] | None:
        key = ledger.to_item({"id": item_id})
        found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return ledger.from_item(found) if found else None

    def _read_manifest(self, manifest: str) -> Manifest:
        bucket, key = keys.split_uri(manifest)
        return Manifest.from_json(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def _read(self, key: str, *, last: int | None = None) -> str | None:
        part = {} if last is None else {"Range": f"bytes=-{last}"}
        try:
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key, **part)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "InvalidRange":
                return ""  # the object is empty
            raise
        return body.decode("utf-8", "replace")
