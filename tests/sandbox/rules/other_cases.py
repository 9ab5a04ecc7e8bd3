"""Cases for the rules of SQS, SNS, EventBridge, S3, CloudWatch Logs and SSM."""

import json
from typing import Any

from tests.sandbox.rules.cases import Case

MIB = 1_048_576


def messages(*ids: str, **more: Any) -> dict[str, Any]:
    return {"Entries": [{"Id": name, "MessageBody": "x", **more} for name in ids]}


def attributes(**given: str) -> dict[str, Any]:
    return {
        "MessageBody": "x",
        "MessageAttributes": {n: {"DataType": "String", "StringValue": v} for n, v in given.items()},
    }


def event(**change: Any) -> dict[str, Any]:
    return {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}", **change}]}


SQS = [
    Case(
        "characters of a message",
        "SendMessage",
        {"MessageBody": "\t\n\r\ud7ff\ufffd😀"},
        {"MessageBody": "\0"},
        "does not",
    ),
    Case("characters of a message", "SendMessage", attributes(a="b"), attributes(a="\x1b"), "MessageAttributes.a"),
    Case(
        "characters of a message", "SendMessageBatch", messages("a"), messages("a", MessageBody="\uffff"), "Entries[0]"
    ),
    Case("no empty message", "SendMessage", {"MessageBody": " "}, {"MessageBody": ""}, "at least 1"),
    Case("size of messages", "SendMessage", {"MessageBody": "x" * MIB}, {"MessageBody": "x" * (MIB + 1)}, "1,048,576"),
    Case(
        "size of messages",
        "SendMessageBatch",
        messages("a", "b", MessageBody="é" * (MIB // 4)),
        messages("a", "b", MessageBody="é" * (MIB // 4 + 1)),
        "1,048,576",
    ),
    Case(
        "message attributes",
        "SendMessage",
        attributes(**{f"a{number}": "x" for number in range(10)}),
        attributes(**{f"a{number}": "x" for number in range(11)}),
        "at most 10",
    ),
    Case("message attributes", "SendMessage", attributes(reason="x"), attributes(**{"AWS.x": "x"}), "not a name"),
    Case("message attributes", "SendMessage", attributes(a="x"), attributes(a=""), "with a value"),
    Case("messages in a batch", "SendMessageBatch", messages(*"abcdefghij"), messages(*"abcdefghijk"), "1 to 10"),
    Case("ids in a batch", "SendMessageBatch", messages("a" * 80), messages("a" * 81), "1 to 80"),
    Case("ids in a batch", "DeleteMessageBatch", messages("a-_9"), messages("a.b"), "1 to 80"),
    Case("distinct ids in a batch", "SendMessageBatch", messages("a", "b"), messages("a", "a"), "a repeated"),
    Case("DelaySeconds", "SendMessage", {"DelaySeconds": 900}, {"DelaySeconds": 901}, "0 to 900"),
    Case(
        "DelaySeconds", "SendMessageBatch", messages("a", DelaySeconds=900), messages("a", DelaySeconds=901), "0 to 900"
    ),
    Case(
        "VisibilityTimeout",
        "ChangeMessageVisibility",
        {"VisibilityTimeout": 43_200},
        {"VisibilityTimeout": 43_201},
        "0 to 43,200",
    ),
    Case("MaxNumberOfMessages", "ReceiveMessage", {"MaxNumberOfMessages": 10}, {"MaxNumberOfMessages": 11}, "1 to 10"),
    Case("WaitTimeSeconds", "ReceiveMessage", {"WaitTimeSeconds": 20}, {"WaitTimeSeconds": 21}, "0 to 20"),
]
SNS = [
    Case("subject", "Publish", {"Subject": "ä" * 99}, {"Subject": "a" * 100}, "less than 100"),
    Case("subject", "Publish", {"Subject": "a b"}, {"Subject": "a\nb"}, "line breaks"),
    Case("size of a message", "Publish", {"Message": "x" * 262_144}, {"Message": "x" * 262_145}, "262,144"),
    Case("size of a message", "Publish", {"Message": "x"}, {"Message": ""}, "empty"),
    Case("one recipient", "Publish", {"TopicArn": "a"}, {}, "must be given"),
    Case("one recipient", "Publish", {"TopicArn": "a"}, {"TopicArn": "a", "PhoneNumber": "1"}, "must be given"),
    Case(
        "structure of a message",
        "Publish",
        {"MessageStructure": "json", "Message": json.dumps({"default": "x"})},
        {"MessageStructure": "json", "Message": json.dumps({"email": "x"})},
        "default",
    ),
]
EVENTS = [
    Case("size of the entries", "PutEvents", event(Detail="x" * (MIB - 3)), event(Detail="x" * (MIB - 2)), "less than"),
    Case("complete entries", "PutEvents", event(), event(Source=""), "Source: required"),
    Case("detail is a JSON object", "PutEvents", event(Detail='{"a": 1}'), event(Detail="[]"), "JSON object"),
    Case(
        "length of a detail type", "PutEvents", event(DetailType="d" * 128), event(DetailType="d" * 129), "at most 128"
    ),
    Case("no source of AWS", "PutEvents", event(Source="my.aws."), event(Source="aws.batch"), "aws."),
]


def parts(*numbers: int) -> dict[str, Any]:
    return {"MultipartUpload": {"Parts": [{"PartNumber": number, "ETag": "e"} for number in numbers]}}


S3 = [
    Case("length of a key", "PutObject", {"Key": "é" * 512}, {"Key": "é" * 512 + "a"}, "1,024 bytes, got 1,025"),
    Case(
        "length of a key",
        "DeleteObjects",
        {"Delete": {"Objects": [{"Key": "a" * 1024}]}},
        {"Delete": {"Objects": [{"Key": "a" * 1025}]}},
        "1,024 bytes",
    ),
    Case("only if nothing is there", "PutObject", {"IfNoneMatch": "*"}, {"IfNoneMatch": '"etag"'}, "must be *"),
    Case(
        "size of metadata",
        "PutObject",
        {"Metadata": {"name": "x" * 2044}},
        {"Metadata": {"name": "x" * 2045}},
        "at most 2,048 bytes",
    ),
    Case(
        "tags",
        "PutObject",
        {"Tagging": "&".join(f"a{number}=b" for number in range(10))},
        {"Tagging": "&".join(f"a{number}=b" for number in range(11))},
        "at most 10 tags",
    ),
    Case("tags", "PutObject", {"Tagging": "a=" + "b" * 256}, {"Tagging": "a=" + "b" * 257}, "at most 256"),
    Case("tags", "CreateMultipartUpload", {"Tagging": "a=b"}, {"Tagging": "a=b&a=c"}, "each key once"),
    Case("part number", "UploadPart", {"PartNumber": 10_000}, {"PartNumber": 10_001}, "1 to 10,000"),
    Case("part number", "CompleteMultipartUpload", parts(1), parts(0), "1 to 10,000"),
    Case("parts in order", "CompleteMultipartUpload", parts(1, 3), parts(3, 1), "ascend"),
    Case("some parts", "CompleteMultipartUpload", parts(1), parts(), "at least one"),
    Case(
        "size of an upload", "PutObject", {"ContentLength": 5 * 1024**3}, {"ContentLength": 5 * 1024**3 + 1}, "in one"
    ),
    Case(
        "objects deleted at once",
        "DeleteObjects",
        {"Delete": {"Objects": [{"Key": "a"}] * 1000}},
        {"Delete": {"Objects": [{"Key": "a"}] * 1001}},
        "1 to 1,000",
    ),
    Case("one range", "GetObject", {"Range": "bytes=0-"}, {"Range": "bytes=0-1,3-4"}, "one range"),
]
LOGS = [
    Case("one log group", "GetLogEvents", {"logGroupName": "a"}, {}, "exactly one"),
    Case(
        "one log group", "GetLogEvents", {"logGroupName": "a"}, {"logGroupName": "a", "logGroupIdentifier": "a"}, "one"
    ),
]
SSM = [
    Case("path of parameters", "GetParametersByPath", {"Path": "/a" * 15}, {"Path": "/a" * 16}, "15 levels"),
    Case("path of parameters", "GetParametersByPath", {"Path": "/"}, {"Path": "a"}, "begin with /"),
    Case("no spaces in a name", "GetParameter", {"Name": "/a/b"}, {"Name": "/a b"}, "without spaces"),
]
CASES = {"sqs": SQS, "sns": SNS, "events": EVENTS, "s3": S3, "logs": LOGS, "ssm": SSM}
