"""The sandbox refuses a request that breaks a rule, with the service's own message."""

import inspect
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropbatch.sandbox import emulator
from tests import request_checks
from tests.sandbox.batch_stack import Client
from tests.sandbox.batch_world import RefusedError, World

QUEUE = "http://127.0.0.1/000000000000/q"
TOPIC = "arn:aws:sns:eu-central-1:000000000000:t"
COMPLETED: dict[str, Any] = {"Parts": [{"PartNumber": number, "ETag": "e"} for number in (2, 1)]}
KEYS = [{"Key": str(number)} for number in range(1001)]
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("sns", "publish", {"TopicArn": TOPIC, "Message": "m", "Subject": "s" * 100}, "InvalidParameter"),
    ("sqs", "send_message", {"QueueUrl": QUEUE, "MessageBody": "m", "DelaySeconds": 901}, "InvalidParameterValue"),
    (
        "sqs",
        "send_message_batch",
        {"QueueUrl": QUEUE, "Entries": [{"Id": str(number), "MessageBody": "m"} for number in range(11)]},
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    ),
    (
        "dynamodb",
        "update_item",
        {"TableName": "t", "Key": {"id": {"S": "a"}}, "UpdateExpression": "REMOVE state"},
        "ValidationException",
    ),
    ("logs", "get_log_events", {"logStreamName": "s"}, "InvalidParameterException"),
    ("ssm", "get_parameters_by_path", {"Path": "a"}, "ValidationException"),
    ("s3", "put_object", {"Key": "k" * 1025}, "KeyTooLongError"),
    ("s3", "put_object", {"Key": "k", "Metadata": {"name": "x" * 2045}}, "MetadataTooLarge"),
    ("s3", "put_object", {"Key": "k", "IfNoneMatch": '"e"'}, "NotImplemented"),
    ("s3", "create_multipart_upload", {"Key": "k", "Tagging": "a=b&a=c"}, "InvalidTag"),
    ("s3", "upload_part", {"Key": "k", "UploadId": "u", "PartNumber": 10_001}, "InvalidArgument"),
    (
        "s3",
        "complete_multipart_upload",
        {"Key": "k", "UploadId": "u", "MultipartUpload": COMPLETED},
        "InvalidPartOrder",
    ),
    ("s3", "get_object", {"Key": "k", "Range": "bytes=0-1,3-4"}, "InvalidArgument"),
    ("s3", "delete_objects", {"Delete": {"Objects": KEYS}}, "MalformedXML"),
]


def _bucket(aws: Client) -> str:
    try:
        aws("s3").create_bucket(Bucket="rules", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    except aws("s3").exceptions.BucketAlreadyOwnedByYou:
        pass
    return "rules"


@pytest.mark.refused_requests
@pytest.mark.parametrize(("service", "method", "params", "code"), REFUSED, ids=lambda each: str(each)[:30])
def test_a_request_that_breaks_a_rule_is_refused_with_the_code_of_the_service(
    aws: Client, service: str, method: str, params: dict[str, Any], code: str
) -> None:
    bucket = {"Bucket": _bucket(aws)} if service == "s3" else {}

    with pytest.raises(ClientError) as refused:
        getattr(aws(service), method)(**bucket, **params)

    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.refused_requests
def test_a_malformed_event_entry_fails_alone(aws: Client) -> None:
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}"}

    answer = aws("events").put_events(Entries=[entry, {**entry, "Detail": "[]"}, entry])

    assert answer["FailedEntryCount"] == 1
    assert [each.get("ErrorCode") for each in answer["Entries"]] == [None, "MalformedDetail", None]
    assert answer["Entries"][1]["ErrorMessage"] == "Detail: must be a JSON object"


@pytest.mark.gap("rules")
def test_gap_plain_ministack_checks_neither_event_details_nor_mail_subjects() -> None:
    assert "json.loads" not in inspect.getsource(emulator.service("eventbridge")._put_events)
    assert "len(subject)" not in inspect.getsource(emulator.service("sns")).lower()


class TestFairShare:
    def _fair(self, world: World, **definition: Any) -> None:
        world.environment()
        world.queue(schedulingPolicyArn=world.call("CreateSchedulingPolicy", name="fair")["arn"])
        world.definition(**definition)

    def _submit(self, world: World, **more: Any) -> str:
        request = {"jobName": "j", "jobQueue": "spot", "jobDefinition": "count", "shareIdentifier": "lab"}
        return str(world.call("SubmitJob", **request, **more)["jobId"])

    def test_a_submission_without_any_priority_is_refused_in_the_words_of_aws(self, world: World) -> None:
        self._fair(world)

        with pytest.raises(RefusedError) as refused:
            self._submit(world)

        said = "Either schedulingPriority in job definition or schedulingPriorityOverride is required."
        assert (refused.value.code, str(refused.value)) == ("ClientException", said)

    @pytest.mark.parametrize(
        ("definition", "override", "priority"), [(7, None, 7), (7, 0, 0), (None, 9, 9), (0, None, 0)]
    )
    def test_a_priority_override_counts_even_if_it_is_0(
        self, world: World, definition: int | None, override: int | None, priority: int
    ) -> None:
        self._fair(world, schedulingPriority=definition)

        job = self._submit(world, schedulingPriorityOverride=override)

        found = world.store.job(job)
        assert found is not None
        assert found.template.scheduling_priority == priority

    def test_a_priority_out_of_range_is_refused(self, world: World) -> None:
        self._fair(world)

        with pytest.raises(RefusedError, match="must be 0 to 9,999, got 10,000"):
            self._submit(world, schedulingPriorityOverride=10_000)


@pytest.mark.refused_requests
def test_a_violation_by_a_boto3_client_is_recorded_whatever_the_answer(
    aws: Client,
) -> None:
    with pytest.raises(ClientError):
        aws("s3").put_object(Bucket="nowhere", Key="k" * 1025)

    (found,) = request_checks.taken()

    assert found.startswith(
        "s3.PutObject: Key: at most 1,024 bytes, got 1,025 (rule 'length of a key': https://docs.aws"
    )


def test_a_violation_by_a_simulated_client_is_recorded() -> None:
    request = {"jobName": "j", "jobQueue": "q", "jobDefinition": "d", "shareIdentifier": "lab", "jobTag": "x"}

    for check in (request_checks.check, request_checks.check_once, request_checks.check_once):
        check("batch", "SubmitJob", request)
    found = request_checks.taken()

    assert [text.partition(" (rule")[0].partition(", must")[0] for text in found] == [
        'batch.SubmitJob: Unknown parameter in input: "jobTag"',
        "batch.SubmitJob: Either schedulingPriority in job definition or schedulingPriorityOverride is required.",
    ]
