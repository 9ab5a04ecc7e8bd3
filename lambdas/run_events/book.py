"""The ledger as the run events function uses it: runs are moved forward, never back."""

import json
import logging
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.manifest import Manifest, RunSpec
from dropbatch.contract.runs import State, order
from lambdas.run_events.changes import JobChange

__all__ = ["Book"]

log = logging.getLogger("dropbatch")

_SET_ALWAYS = "SET #state = :state, #order = :order, updated_at = :now, job_id = :job"


class Book:
    """RUN and JOB items of one deployment, and the manifests that join them."""

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

    def paused(self) -> bool:
        """Whether the deployment is paused."""
        return self._get(ledger.PAUSED) is not None

    def runs_of(self, job: Mapping[str, Any]) -> tuple[RunSpec, ...]:
        """The runs that a job works on, by index of its array; a plain job has one."""
        return self._manifest(job["manifest"]).runs

    def move(self, run: RunSpec, change: JobChange, *, reason: str) -> dict[str, Any] | None:
        """Bring a run to the state of a change.

        Returns:
            The RUN item if somebody must be told of it: the run moved now, or it had moved to this very final state
            earlier and the telling was cut short. None for a late or doubled change.
        """
        position = order(run.attempt, change.state)
        names = {"#state": "state", "#order": "order"}
        values = {
            ":state": change.state,
            ":order": position,
            ":now": ledger.timestamp(self._clock()),
            ":job": change.job_id,
        }
        update = _SET_ALWAYS
        for name, value in (("started_at", change.started_at), ("stopped_at", change.stopped_at)):
            if value:
                update += f", {name} = :{name}"
                values[f":{name}"] = value
        if reason:
            update += ", reason = :reason"
            values[":reason"] = reason
        if change.state is State.SUCCEEDED:
            update += ", #output = :output"
            names["#output"] = "output"
            values[":output"] = keys.uri(self._bucket, run.output)
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=ledger.to_item({"id": ledger.run_key(run.group, run.run_id)}),
                UpdateExpression=update,
                ConditionExpression="attribute_exists(id) AND #order < :order",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=ledger.to_item(values),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            old = ledger.from_item(error.response.get("Item") or {})
            untold = change.state.final and old.get("order") == position and "unfinished" in old
            return old if untold else None
        return ledger.from_item(answer["Attributes"])

    def submitted(self, job_name: str, job_id: str) -> None:
        """Note the id of a job whose submission went unanswered."""
        self._dynamodb.update_item(
            TableName=self._table,
            Key=ledger.to_item({"id": ledger.job_key(job_name)}),
            UpdateExpression="SET #state = :submitted, job_id = :id",
            ConditionExpression="attribute_exists(id)",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues=ledger.to_item({":submitted": "SUBMITTED", ":id": job_id}),
        )

    def unfinished(self, *, before: str) -> Iterator[dict[str, Any]]:
        """RUN items that are unfinished, or final but not told of, and untouched since a `timestamp`."""
        pages = self._dynamodb.get_paginator("query")
        for shard in ledger.unfinished_keys():
            for page in pages.paginate(
                TableName=self._table,
                IndexName=ledger.UNFINISHED,
                KeyConditionExpression="unfinished = :shard AND updated_at < :before",
                ExpressionAttributeValues=ledger.to_item({":shard": shard, ":before": before}),
            ):
                yield from map(ledger.from_item, page["Items"])

    def fence_owner(self, group: str, pipeline: str, run_id: str, attempt: int) -> str | None:
        """Id of the job that took the fence of an attempt, or None when no job did."""
        return self._read(keys.started_key(group, pipeline, run_id, attempt))

    def recorded_reason(self, run: RunSpec) -> str | None:
        """What the run record says of a failure, or None when the container left no record."""
        text = self._read(keys.record_key(run.output))
        if text is None:
            return None
        record = json.loads(text)
        return f"{record['phase']}: {record['reason']}" if record.get("attempt") == run.attempt else None

    def _get(self, item_id: str) -> dict[str, Any] | None:
        key = ledger.to_item({"id": item_id})
        found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return ledger.from_item(found) if found else None

    def _read_manifest(self, manifest: str) -> Manifest:
        bucket, key = keys.split_uri(manifest)
        return Manifest.from_json(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def _read(self, key: str) -> str | None:
        try:
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None
        return body.decode()
