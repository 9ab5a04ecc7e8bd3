"""Gaps of MiniStack that the sandbox repairs; a `test_gap_…` fails when an update makes its wrap unnecessary."""

import inspect
import io
import json
import time
import uuid
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropbatch.sandbox import Sandbox, emulator, wraps
from dropbatch.sandbox.errors import WrapError
from dropbatch.sandbox.wraps.iam import wrap_leading_keys
from dropbatch.sandbox.wraps.sqs import _fitting
from tests.sandbox.batch_stack import BatchStack, Client, allow, trust
from tests.sandbox.batch_world import eventually

COUNTING_FUNCTION = """
import boto3, os
def handle(event, context):
    sizes = str(len(event["Records"]))
    boto3.client("sqs").send_message(QueueUrl=os.environ["OUT"], MessageBody=sizes)
"""


@pytest.fixture
def name() -> str:
    return f"w-{uuid.uuid4().hex[:8]}"


def received(sqs: Any, url: str, count: int) -> list[str]:
    """Return the bodies of `count` messages."""
    bodies: list[str] = []

    def enough() -> bool:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(bodies) >= count

    eventually(enough, lambda: bodies)
    return bodies


class TestSqsBatches:
    @pytest.mark.parametrize(("batch_size", "expected"), [(100, [25]), (20, [20, 5])])
    def test_messages_of_the_batching_window_arrive_in_batches_of_the_set_size(
        self, aws: Client, name: str, batch_size: int, expected: list[int]
    ) -> None:
        sqs, iam, functions = aws("sqs"), aws("iam"), aws("lambda")
        out = sqs.create_queue(QueueName=f"{name}-out")["QueueUrl"]
        source = sqs.create_queue(QueueName=name)["QueueUrl"]
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))["Role"]["Arn"]
        iam.put_role_policy(
            RoleName=name, PolicyName="p", PolicyDocument=allow({"Action": "sqs:SendMessage", "Resource": "*"})
        )
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("counting.py", COUNTING_FUNCTION)
        functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role,
            Handler="counting.handle",
            Code={"ZipFile": package.getvalue()},
            Environment={"Variables": {"OUT": out}},
            Timeout=30,
        )
        for start in range(0, 25, 5):
            entries = [{"Id": str(number), "MessageBody": "x"} for number in range(start, start + 5)]
            sqs.send_message_batch(QueueUrl=source, Entries=entries)

        functions.create_event_source_mapping(
            EventSourceArn=f"arn:aws:sqs:eu-central-1:000000000000:{name}",
            FunctionName=name,
            BatchSize=batch_size,
            MaximumBatchingWindowInSeconds=1,
        )

        assert sorted(map(int, received(sqs, out, len(expected))), reverse=True) == expected

    @pytest.mark.gap("sqs_batches")
    def test_gap_plain_ministack_delivers_10_messages_when_100_are_asked_for(self) -> None:
        assert "10)" in inspect.getsource(emulator.service("sqs")._receive_messages_for_esm)

    def test_an_event_holds_less_than_six_megabytes_of_messages(self) -> None:
        messages = [{"body": "x" * 1_000_000} for _ in range(10)]

        assert _fitting(messages, 10_000) == (6, True)
        assert _fitting([{"body": "x" * 7_000_000}], 10) == (1, True)
        assert _fitting(messages[:2], 10_000) == (2, False)


class TestLeadingKeys:
    def test_a_policy_on_leading_keys_denies_other_keys(self, aws: Client, sandbox: Sandbox, name: str) -> None:
        aws("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "day", "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-day",
                    "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        policy = allow(
            {
                "Action": "dynamodb:*",
                "Resource": "*",
                "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["lab#*"]}},
            }
        )
        table = aws("dynamodb", BatchStack(sandbox, aws).user(policy))

        def query(day: str, index: str | None) -> None:
            more = {"IndexName": index} if index else {}
            table.query(
                TableName=name,
                KeyConditionExpression="#k = :v",
                ExpressionAttributeNames={"#k": "day" if index else "id"},
                ExpressionAttributeValues={":v": {"S": day}},
                **more,
            )

        table.put_item(TableName=name, Item={"id": {"S": "lab#1"}})
        query("lab#2026-01-01#0", "by-day")
        query("lab#1", None)
        for denied in (
            lambda: table.put_item(TableName=name, Item={"id": {"S": "other#1"}}),
            lambda: table.get_item(TableName=name, Key={"id": {"S": "other#1"}}),
            lambda: query("other#2026-01-01#0", "by-day"),
            lambda: table.batch_get_item(RequestItems={name: {"Keys": [{"id": {"S": "lab#1"}}, {"id": {"S": "o"}}]}}),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                denied()

    @pytest.mark.gap("leading_keys")
    def test_gap_plain_ministack_has_no_leading_keys_in_the_context(self) -> None:
        body = json.dumps({"TableName": "t", "Key": {"id": {"S": "x"}}}).encode()

        assert "dynamodb:LeadingKeys" not in emulator.module("core.iam_actions").dynamodb_service_context(body)


class TestResources:
    def test_rights_on_some_log_streams_do_not_allow_another(self, aws: Client, sandbox: Sandbox, name: str) -> None:
        logs = aws("logs")
        logs.create_log_group(logGroupName=name)
        for stream in ("lab/a", "other/a"):
            logs.create_log_stream(logGroupName=name, logStreamName=stream)
        policy = allow(
            {"Action": "logs:GetLogEvents", "Resource": f"arn:aws:logs:*:*:log-group:{name}:log-stream:lab/*"}
        )
        reader = aws("logs", BatchStack(sandbox, aws).user(policy))

        reader.get_log_events(logGroupName=name, logStreamName="lab/a")
        with pytest.raises(ClientError, match="AccessDenied"):
            reader.get_log_events(logGroupName=name, logStreamName="other/a")

    @pytest.mark.gap("log_streams")
    def test_gap_plain_ministack_checks_reads_of_a_stream_against_the_group(self) -> None:
        arn = emulator.module("core.iam_actions").extract_resource_arn(
            "logs", "POST", "/", {}, b'{"logGroupName": "g", "logStreamName": "s"}', {}, "eu-central-1", "000000000000"
        )

        assert arn.endswith(":log-group:g")

    @pytest.mark.gap("batch_resources")
    def test_gap_plain_ministack_checks_submissions_against_a_star(self) -> None:
        arn = emulator.module("core.iam_actions").extract_resource_arn(
            "batch", "POST", "/v1/submitjob", {}, b'{"jobQueue": "q"}', {}, "eu-central-1", "000000000000"
        )

        assert arn == "*"


class TestOwnerKey:
    @pytest.mark.parametrize("key", ["test", "DROPBATCHSANDBOX", "000000000000"])
    def test_a_signature_with_a_guessed_secret_is_refused(self, aws: Client, key: str) -> None:
        for service, operation in (
            ("batch", "describe_job_queues"),
            ("s3", "list_buckets"),
            ("dynamodb", "list_tables"),
        ):
            client = aws(service, {"AccessKeyId": key, "SecretAccessKey": "guessed"})
            with pytest.raises(ClientError, match=r"[Ss]ignature|security token|Access Key Id"):
                getattr(client, operation)()

    @pytest.mark.gap("owner_key")
    def test_gap_plain_ministack_takes_the_key_test_for_the_owner(self) -> None:
        assert emulator.module("core.iam_evaluator").is_root_access_key("test")


class TestDenials:
    @pytest.mark.gap("denials")
    def test_gap_plain_ministack_names_no_resource_in_a_denial(self) -> None:
        _, _, body = emulator.module("core.iam_actions").access_denied_response(
            "batch", "batch:SubmitJob", "arn:user", "", resource_arn="arn:queue"
        )

        assert b"arn:queue" not in body


class TestMail:
    def test_a_published_mail_is_recorded_and_its_subscription_confirmed(
        self, aws: Client, sandbox: Sandbox, name: str
    ) -> None:
        sns = aws("sns")
        topic = sns.create_topic(Name=name)["TopicArn"]
        subscription = sns.subscribe(
            TopicArn=topic, Protocol="email", Endpoint="lab@example.org", ReturnSubscriptionArn=True
        )

        sns.publish(TopicArn=topic, Subject=f"about {name}", Message="line one\nline zwei ü")

        text = recorded(sandbox, name)
        assert "To: lab@example.org" in text
        assert f"Subject: about {name}" in text
        assert text.endswith("\n\nline one\nline zwei ü\n")
        assert "was not sent" in text
        attributes = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]
        assert attributes["PendingConfirmation"] == "false"

    def test_an_event_rule_with_a_transformer_mails_its_text(self, aws: Client, sandbox: Sandbox, name: str) -> None:
        sns, events = aws("sns"), aws("events")
        topic = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="lab@example.org")
        rules = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{**rules, "Resource": topic}]})
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
        events.put_targets(
            Rule=name,
            Targets=[
                {
                    "Id": "t",
                    "Arn": topic,
                    "InputTransformer": {"InputPathsMap": {"line": "$.detail.line"}, "InputTemplate": '"<line>"'},
                }
            ],
        )

        entry = {"Source": name, "DetailType": "Run State Change", "Detail": json.dumps({"line": f"done ü {name}"})}
        events.put_events(Entries=[entry])

        text = recorded(sandbox, name)
        assert f'"done ü {name}"' in text
        assert "Subject: AWS Notification Message" in text

    @pytest.mark.gap("mail")
    def test_gap_plain_ministack_only_logs_mails(self) -> None:
        assert '"SNS fanout → email %s (stub)"' in inspect.getsource(emulator.service("sns")._fanout)


def recorded(sandbox: Sandbox, mark: str) -> str:
    """Return the recorded mail that contains this text."""

    def found() -> list[str]:
        texts = [path.read_text() for path in sorted(sandbox.layout.mail.glob("*.txt"))]
        return [text for text in texts if mark in text]

    def any_found() -> bool:
        time.sleep(0.02)
        return bool(found())

    eventually(any_found)
    return found()[-1]


class TestBatchEvents:
    def test_each_state_change_of_a_job_arrives_in_the_shape_of_aws(self, aws: Client, sandbox: Sandbox) -> None:
        stack = BatchStack(sandbox, aws)
        sqs, events = aws("sqs"), aws("events")
        queue_arn = f"arn:aws:sqs:eu-central-1:000000000000:{stack.name}"
        rules = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        plain_http = {"Bool": {"aws:SecureTransport": "false"}}
        tls = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Condition": plain_http}
        statements = [{**each, "Resource": queue_arn} for each in (rules, tls)]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        url = sqs.create_queue(QueueName=stack.name, Attributes={"Policy": policy})["QueueUrl"]
        pattern = {
            "source": ["aws.batch"],
            "detail-type": ["Batch Job State Change"],
            "detail": {"jobQueue": [stack.queue]},
        }
        events.put_rule(Name=stack.name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=stack.name, Targets=[{"Id": "t", "Arn": queue_arn}])

        job = stack.run("sh", "-c", "exit 4")
        bodies = [json.loads(body) for body in received(sqs, url, 5)]

        assert [body["detail"]["status"] for body in bodies] == [
            "SUBMITTED",
            "RUNNABLE",
            "STARTING",
            "RUNNING",
            "FAILED",
        ]
        last = bodies[-1]
        assert (last["source"], last["detail-type"], last["region"]) == (
            "aws.batch",
            "Batch Job State Change",
            "eu-central-1",
        )
        assert last["resources"] == [job["jobArn"]]
        assert last["detail"]["container"]["exitCode"] == 4
        assert last["detail"]["attempts"][0]["container"]["exitCode"] == 4
        assert last["detail"]["jobDefinition"] == stack.definition


class TestTransport:
    def test_a_policy_that_requires_tls_allows_loopback(self, aws: Client, name: str) -> None:
        s3 = aws("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        only_tls = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [only_tls]}))

        assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0

    @pytest.mark.gap("transport")
    def test_gap_plain_ministack_treats_http_as_insecure(self) -> None:
        assert 'scope.get("scheme") == "https"' in inspect.getsource(emulator.module("app").app)


class TestWildcards:
    def test_a_star_in_a_policy_matches_a_line_break(self, aws: Client, sandbox: Sandbox, name: str) -> None:
        aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        policy = allow({"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/*"})

        aws("s3", BatchStack(sandbox, aws).user(policy)).put_object(Bucket=name, Key="two\nlines")

    @pytest.mark.gap("wildcards")
    def test_gap_plain_ministack_does_not_match_a_line_break_with_a_star(self) -> None:
        assert not emulator.module("core.iam_evaluator").fnmatch_iam_cs("a\nb", "a*")


class TestPinning:
    def test_another_version_of_ministack_is_refused_with_both_versions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wraps, "version", lambda _: "9.9.9")

        with pytest.raises(WrapError, match=r"needs ministack 1\.5\.33, found 9\.9\.9"):
            wraps.check_version()

    def test_a_changed_function_of_ministack_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(emulator.module("core.iam_actions"), "dynamodb_service_context", lambda other: {})

        with pytest.raises(WrapError, match=r"dynamodb_service_context has changed: .* expects \(body: bytes\)"):
            wrap_leading_keys()
