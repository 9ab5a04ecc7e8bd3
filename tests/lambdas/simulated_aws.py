"""AWS for the functions: deterministic services in memory, with boto3's shapes.

They have only the calls that dropbatch uses; any other is an AttributeError. A test may set a `tap` on every call, to
refuse it, to count it or to end the invocation.
"""

import io
import itertools
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from dropbatch.contract.ledger import BY_DAY, UNFINISHED, from_item
from tests.lambdas.expressions import holds, update
from tests.lambdas.simulated_service import Service, Tap, error
from tests.request_checks import Check, check

__all__ = ["PAGE", "SNS", "SQS", "Batch", "DynamoDB", "Events", "SimulatedAws", "error"]

RANGE_KEYS = {BY_DAY: "created_at", UNFINISHED: "updated_at"}
PAGE = 500
"""Items on a page of a query."""


class _ConditionalCheckFailedError(ClientError):
    pass


class _TransactionCanceledError(ClientError):
    pass


class _NoSuchKeyError(ClientError):
    pass


class DynamoDB(Service):
    name = "dynamodb"

    exceptions = SimpleNamespace(
        ConditionalCheckFailedException=_ConditionalCheckFailedError,
        TransactionCanceledException=_TransactionCanceledError,
    )

    def __init__(self, tap: Tap, check: Check = check) -> None:
        super().__init__(tap, check)
        self.items: dict[str, dict[str, Any]] = {}

    def plain(self, item_id: str) -> dict[str, Any]:
        return from_item(self.items[item_id])

    def run_items(self) -> list[dict[str, Any]]:
        return [item for item in self.items.values() if "run_id" in item]

    def runs(self) -> list[dict[str, Any]]:
        return [from_item(item) for item in self.run_items()]

    def get_item(self, **call: Any) -> dict[str, Any]:
        self._called("GetItem", call)
        item = self.items.get(call["Key"]["id"]["S"])
        return {"Item": dict(item)} if item else {}

    def put_item(self, **call: Any) -> dict[str, Any]:
        self._called("PutItem", call)
        self._check(call, call["Item"]["id"]["S"])
        self.items[call["Item"]["id"]["S"]] = dict(call["Item"])
        return {}

    def delete_item(self, **call: Any) -> dict[str, Any]:
        self._called("DeleteItem", call)
        self.items.pop(call["Key"]["id"]["S"], None)
        return {}

    def update_item(self, **call: Any) -> dict[str, Any]:
        self._called("UpdateItem", call)
        item_id = call["Key"]["id"]["S"]
        self._check(call, item_id)
        item = self._change(call, item_id)
        return {"Attributes": dict(item)} if call.get("ReturnValues") == "ALL_NEW" else {}

    def _change(self, call: Mapping[str, Any], item_id: str) -> dict[str, Any]:
        item = self.items.setdefault(item_id, dict(call["Key"]))
        names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
        update(call["UpdateExpression"], item, names, values)
        return item

    def _reason(self, call: Mapping[str, Any], item_id: str) -> dict[str, Any]:
        try:
            self._check(call, item_id)
        except _ConditionalCheckFailedError as failed:
            answer: dict[str, Any] = dict(failed.response)
            return {"Code": "ConditionalCheckFailed", **({"Item": answer["Item"]} if "Item" in answer else {})}
        return {"Code": "None"}

    def transact_write_items(self, **call: Any) -> dict[str, Any]:
        self._called("TransactWriteItems", call)
        steps = [(verb, body) for step in call["TransactItems"] for verb, body in step.items()]
        ids = [(body["Item"] if verb == "Put" else body["Key"])["id"]["S"] for verb, body in steps]
        if len(steps) > 100 or len(set(ids)) != len(ids):
            raise error("ValidationException", "TransactWriteItems")
        reasons: list[Any] = [self._reason(body, item_id) for (_, body), item_id in zip(steps, ids, strict=True)]
        if any(reason["Code"] != "None" for reason in reasons):
            raise _TransactionCanceledError(
                {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons},
                "TransactWriteItems",
            )
        for (verb, body), item_id in zip(steps, ids, strict=True):
            if verb == "Put":
                self.items[item_id] = dict(body["Item"])
            else:
                self._change(body, item_id)
        return {}

    def batch_get_item(self, **call: Any) -> dict[str, Any]:
        self._called("BatchGetItem", call)
        ((table, wanted),) = call["RequestItems"].items()
        ids = [key["id"]["S"] for key in wanted["Keys"]]
        if len(ids) > 100 or len(set(ids)) != len(ids):
            raise error("ValidationException", "BatchGetItem")
        return {"Responses": {table: [dict(self.items[each]) for each in ids if each in self.items]}}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "query"
        return SimpleNamespace(paginate=self._query)

    def _query(self, **call: Any) -> Iterator[dict[str, Any]]:
        self._called("Query", call)
        found = [
            dict(item)
            for item in self.items.values()
            if holds(
                call["KeyConditionExpression"],
                item,
                call.get("ExpressionAttributeNames", {}),
                call["ExpressionAttributeValues"],
            )
        ]
        range_key = RANGE_KEYS[call["IndexName"]]

        def place(item: Mapping[str, Any]) -> tuple[str, str]:
            return item[range_key]["S"], item["id"]["S"]

        found.sort(key=place)
        if "ExclusiveStartKey" in call:
            found = [item for item in found if place(item) > place(call["ExclusiveStartKey"])]
        for start in range(0, max(1, len(found)), PAGE):
            yield {"Items": found[start : start + PAGE]}

    def _check(self, call: Mapping[str, Any], item_id: str) -> None:
        condition = call.get("ConditionExpression")
        old = self.items.get(item_id, {})
        if condition and not holds(
            condition, old, call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
        ):
            body: Any = {"Error": {"Code": "ConditionalCheckFailedException"}}
            if call.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and old:
                body["Item"] = dict(old)
            raise _ConditionalCheckFailedError(body, "UpdateItem")


class S3(Service):
    name = "s3"

    exceptions = SimpleNamespace(NoSuchKey=_NoSuchKeyError, ClientError=ClientError)

    def __init__(self, tap: Tap, check: Check = check) -> None:
        super().__init__(tap, check)
        self.objects: dict[tuple[str, str], bytes] = {}
        self.versions: dict[tuple[str, str], str] = {}

    def put_object(self, **call: Any) -> dict[str, Any]:
        self._called("PutObject", call)
        if call.get("IfNoneMatch") == "*" and (call["Bucket"], call["Key"]) in self.objects:
            raise error("PreconditionFailed", "PutObject")
        self.objects[call["Bucket"], call["Key"]] = call["Body"]
        return {}

    def get_object(self, **call: Any) -> dict[str, Any]:
        self._called("GetObject", call)
        place = call["Bucket"], call["Key"]
        if place not in self.objects:
            raise _NoSuchKeyError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[place])}

    def delete_object(self, **call: Any) -> dict[str, Any]:
        self._called("DeleteObject", call)
        self.objects.pop((call["Bucket"], call["Key"]), None)
        return {}

    def list_object_versions(self, **call: Any) -> dict[str, Any]:
        self._called("ListObjectVersions", call)
        below = self._below(call, call.get("KeyMarker", ""))
        most = call["MaxKeys"]
        versions = [
            {"Key": key, "VersionId": self.versions.get((call["Bucket"], key), "v1"), "IsLatest": True, "Size": size}
            for key, size in below[:most]
        ]
        more = {"NextKeyMarker": below[most - 1][0], "NextVersionIdMarker": "any"} if len(below) > most else {}
        return {"IsTruncated": bool(more), "Versions": versions, **more}

    def list_objects_v2(self, **call: Any) -> dict[str, Any]:
        self._called("ListObjectsV2", call)
        below = self._below(call, "")[: call["MaxKeys"]]
        return {"KeyCount": len(below), **({"Contents": [{"Key": key} for key, _ in below]} if below else {})}

    def _below(self, call: Mapping[str, Any], after: str) -> list[tuple[str, int]]:
        found = [
            (key, len(body))
            for (bucket, key), body in self.objects.items()
            if bucket == call["Bucket"] and key.startswith(call["Prefix"]) and key.encode() > after.encode()
        ]
        return sorted(found, key=lambda each: each[0].encode())


class Batch(Service):
    name = "batch"

    def __init__(self, tap: Tap, check: Check = check) -> None:
        super().__init__(tap, check)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.definitions: dict[str, int] = {}
        self.deregistered: set[str] = set()
        self.queues: dict[str, str] = {}
        self.environments: dict[str, str] = {}
        self._ids = itertools.count(1)

    def get_paginator(self, operation: str) -> Any:
        pages = {"describe_job_definitions": self._definitions, "list_jobs": self._listed}
        return SimpleNamespace(paginate=pages[operation])

    def _listed(self, **call: Any) -> Iterator[dict[str, Any]]:
        if "filters" in call:
            yield {"jobSummaryList": [], "nextToken": "any"}  # as Batch may answer, though there is something
            yield self.list_jobs(**call)
            return
        self._called("ListJobs", call)
        within = ("jobQueue", call["jobQueue"]) if "jobQueue" in call else ("arrayJobId", call["arrayJobId"])
        found = [job for job in self.jobs.values() if job.get(within[0]) == within[1]]
        yield {"jobSummaryList": [job for job in found if job["status"] == call["jobStatus"]]}

    def _definitions(self, **call: Any) -> Iterator[dict[str, Any]]:
        self._called("DescribeJobDefinitions", call)
        revision = self.definitions.get(call["jobDefinitionName"])
        yield {"jobDefinitions": [{"revision": number + 1} for number in range(revision)] if revision else []}

    def describe_job_definitions(self, **call: Any) -> dict[str, Any]:
        self._called("DescribeJobDefinitions", call)
        named = [each.split(":") for each in call["jobDefinitions"]]
        return {
            "jobDefinitions": [
                {
                    "jobDefinitionName": name,
                    "revision": int(revision),
                    "status": "INACTIVE" if f"{name}:{revision}" in self.deregistered else "ACTIVE",
                }
                for name, revision in named
                if int(revision) <= self.definitions.get(name, 0)
            ]
        }

    def submit_job(self, **call: Any) -> dict[str, Any]:
        self._called("SubmitJob", call)
        # All queues have a fair-share policy; AWS's words: terraform-provider-aws#31226.
        if "schedulingPriorityOverride" not in call:
            said = "Either schedulingPriority in job definition or schedulingPriorityOverride is required"
            raise error("ClientException", "SubmitJob", message=said, status=400)
        job_id = f"job-{next(self._ids)}"
        self.jobs[job_id] = {**call, "jobId": job_id, "status": "SUBMITTED"}
        return {"jobId": job_id, "jobName": call["jobName"]}

    def list_jobs(self, **call: Any) -> dict[str, Any]:
        self._called("ListJobs", call)
        (name,) = call["filters"][0]["values"]
        return {"jobSummaryList": [job for job in self.jobs.values() if job["jobName"] == name]}

    def describe_jobs(self, **call: Any) -> dict[str, Any]:
        self._called("DescribeJobs", call)
        return {"jobs": [self.jobs[job_id] for job_id in call["jobs"] if job_id in self.jobs]}

    def cancel_job(self, **call: Any) -> dict[str, Any]:
        self._called("CancelJob", call)
        return {}

    def terminate_job(self, **call: Any) -> dict[str, Any]:
        self._called("TerminateJob", call)
        return {}

    def describe_job_queues(self, **call: Any) -> dict[str, Any]:
        self._called("DescribeJobQueues", call)
        return {
            "jobQueues": [
                {
                    "jobQueueName": name,
                    "state": self.queues.get(name, "ENABLED"),
                    "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": f"ce-{name}"}],
                }
                for name in call["jobQueues"]
            ]
        }

    def describe_compute_environments(self, **call: Any) -> dict[str, Any]:
        self._called("DescribeComputeEnvironments", call)
        return {
            "computeEnvironments": [
                {"computeEnvironmentName": name, "state": self.environments.get(name, "ENABLED")}
                for name in call["computeEnvironments"]
            ]
        }

    def update_job_queue(self, **call: Any) -> dict[str, Any]:
        self._called("UpdateJobQueue", call)
        self.queues[call["jobQueue"]] = call["state"]
        return {}

    def update_compute_environment(self, **call: Any) -> dict[str, Any]:
        self._called("UpdateComputeEnvironment", call)
        self.environments[call["computeEnvironment"]] = call["state"]
        return {}


class SQS(Service):
    name = "sqs"

    def __init__(self, tap: Tap, check: Check = check) -> None:
        super().__init__(tap, check)
        self.sent: list[dict[str, Any]] = []
        self.taken: set[str] = set()
        """Ids of messages that are hidden or deleted; a message's id is its index among those sent."""

    def send_message(self, **call: Any) -> dict[str, Any]:
        self._called("SendMessage", call)
        self.sent.append(call)
        return {}

    def receive_message(self, **call: Any) -> dict[str, Any]:
        self._called("ReceiveMessage", call)
        there = [
            {"MessageId": str(place), "ReceiptHandle": str(place), "Body": sent["MessageBody"], **_attributes(sent)}
            for place, sent in enumerate(self.sent)
            if sent["QueueUrl"] == call["QueueUrl"] and str(place) not in self.taken
        ][: call["MaxNumberOfMessages"]]
        self.taken |= {each["MessageId"] for each in there}
        return {"Messages": there} if there else {}

    def delete_message(self, **call: Any) -> dict[str, Any]:
        self._called("DeleteMessage", call)
        return {}

    def change_message_visibility(self, **call: Any) -> dict[str, Any]:
        self._called("ChangeMessageVisibility", call)
        self.taken.discard(call["ReceiptHandle"])
        return {}


def _attributes(sent: Mapping[str, Any]) -> dict[str, Any]:
    return {"MessageAttributes": sent["MessageAttributes"]} if "MessageAttributes" in sent else {}


class SNS(Service):
    name = "sns"

    def __init__(self, tap: Tap, check: Check = check) -> None:
        super().__init__(tap, check)
        self.mails: list[dict[str, Any]] = []

    def publish(self, **call: Any) -> dict[str, Any]:
        self._called("Publish", call)
        self.mails.append(call)
        return {}


class Events(Service):
    name = "events"

    def __init__(self, tap: Tap, check: Check = check) -> None:
        super().__init__(tap, check)
        self.entries: list[dict[str, Any]] = []

    def put_events(self, **call: Any) -> dict[str, Any]:
        self._called("PutEvents", call)
        self.entries += call["Entries"]
        return {"FailedEntryCount": 0, "Entries": [{} for _ in call["Entries"]]}


class SimulatedAws:
    """All services of one account. Set `tap` to observe or to fail calls."""

    def __init__(self, check: Check = check) -> None:
        self.tap: Tap = lambda operation, call: None
        self.dynamodb = DynamoDB(self._called, check)
        self.s3 = S3(self._called, check)
        self.batch = Batch(self._called, check)
        self.sqs = SQS(self._called, check)
        self.events = Events(self._called, check)
        self.sns = SNS(self._called, check)

    def _called(self, operation: str, call: Mapping[str, Any]) -> None:
        self.tap(operation, call)
