"""From a dropped file to its result, through the real Terraform, the real provider and IAM."""

import json
from typing import Any

import pytest

from dropbatch.contract import keys
from tests.e2e.lab import Lab, until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def notices(lab: Lab) -> Any:
    """A queue subscribed to the operators' topic; a call returns the messages received so far."""
    sqs = lab.client("sqs")
    url = sqs.create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = lab.pointers["operators_topic_arn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = lab.client("sns").subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    texts: list[str] = []

    def received() -> list[str]:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        texts.extend(message["Body"] for message in answer.get("Messages", []))
        return texts

    yield received
    lab.client("sns").unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


def test_a_file_with_an_awkward_name_is_counted(lab: Lab, notices: Any) -> None:
    run = lab.drop("lab/wordcount/a b+(1) ü.txt", b"one two two\nthree three three\n")

    item = lab.ended(run)

    assert item["state"] == "SUCCEEDED", item.get("reason")
    assert item["output_prefix"] == f"lab/wordcount/a b+(1) ü.txt/{run}/"
    counted = lab.result(item, "counts.txt").decode()
    assert [line.split() for line in counted.splitlines() if line.endswith(("three", "two", "one"))] == [
        ["3", "three"],
        ["2", "two"],
        ["1", "one"],
    ]
    record = lab.record(item)
    assert (record["status"], record["run_id"], record["exit_code"]) == ("SUCCEEDED", run, 0)
    assert {output["uri"].rsplit("/", 1)[1] for output in record["outputs"]} == {"counts.txt"}
    text = until(lambda: next((text for text in notices() if run in text), None), "the notification")
    assert text.strip('"').startswith(f"SUCCEEDED lab/wordcount {run} (s3://")


ODD_KEYS = [
    "lab/wordcount/with space.txt",
    "lab/wordcount/plus+plus.txt",
    "lab/wordcount/100%25.txt",
    "lab/wordcount/'single' \"double\".txt",
    "lab/wordcount/🦉 owl.txt",
    "lab/wordcount/deep/er/and//double.txt",
    "lab/wordcount/" + "k" * (keys.MAX_KEY_BYTES - len("lab/wordcount/")),
]


def test_files_of_every_name_are_processed(lab: Lab) -> None:
    runs = {key: lab.drop(key, b"word\n") for key in ODD_KEYS}

    states = {key: lab.ended(run)["state"] for key, run in runs.items()}

    assert states == dict.fromkeys(ODD_KEYS, "SUCCEEDED")


def test_an_empty_file_is_processed(lab: Lab) -> None:
    item = lab.ended(lab.drop("lab/wordcount/empty.txt", b""))

    assert item["state"] == "SUCCEEDED", item.get("reason")
    assert lab.result(item, "counts.txt")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("at-the-root.txt", "the file is at the root of the bucket"),
        ("lab/wordcont/a.txt", "no pipeline is named 'wordcont': did you mean 'wordcount'?"),
        ("lbb/wordcount/a.txt", "no group is named 'lbb'"),
        ("lab/wordcount/" + "k" * (1024 - len("lab/wordcount/")), "the key is 1024 bytes long, at most 900 are taken"),
        ("lab/wordcount/folder/", "the key ends in '/' but the object holds data"),
    ],
)
def test_an_invalid_file_is_refused_with_a_reason(lab: Lab, key: str, reason: str) -> None:
    run = lab.drop(key, b"word\n")

    item = lab.ended(run, group="lab" if key.startswith("lab/") else keys.SYSTEM_GROUP)

    assert item["state"] == "REJECTED"
    assert item["reason"].startswith(reason)


def test_a_folder_marker_starts_nothing(lab: Lab) -> None:
    marker = lab.drop("lab/wordcount/just-a-folder/", b"")
    after = lab.drop("lab/wordcount/after-the-marker.txt", b"word\n")

    lab.ended(after)

    assert lab.run(marker) is None


def test_the_same_event_twice_gives_one_run(lab: Lab) -> None:
    key = "lab/wordcount/twice.txt"
    run = lab.drop(key, b"word\n")
    lab.ended(run)
    # A run stays in the index of unfinished runs until its end is published; afterwards nothing changes it.
    first = until(
        lambda: item if (item := lab.run(run)) and "unfinished" not in item else None, "the run to be told of"
    )
    record = {
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": lab.pointers["input_bucket"]},
            "object": {"key": key, "size": 5, "versionId": first["version_id"], "eTag": "x"},
        },
    }
    sqs = lab.client("sqs")

    for _ in range(3):
        sqs.send_message(
            QueueUrl=lab.pointers["arrival_queue_url"], MessageBody=json.dumps({"Records": [record, record]})
        )
    lab.ended(lab.drop("lab/wordcount/after-the-twins.txt", b"word\n"))

    assert sum(item["input"].endswith(key) for item in lab.runs()) == 1
    assert lab.run(run) == first
    jobs = lab.client("batch").list_jobs(
        jobQueue="dropbatch-sandbox-spot", filters=[{"name": "JOB_NAME", "values": [first["job_name"]]}]
    )["jobSummaryList"]
    assert len(jobs) == 1


def test_an_unparseable_message_goes_to_the_dead_letters(lab: Lab) -> None:
    sqs = lab.client("sqs")
    sqs.send_message(QueueUrl=lab.pointers["arrival_queue_url"], MessageBody="rubbish")
    dead = sqs.get_queue_url(QueueName="dropbatch-sandbox-arrivals-dead")["QueueUrl"]

    def letter() -> Any:
        found = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        return next((each for each in found.get("Messages", []) if each["Body"] == "rubbish"), None)

    found = until(letter, "the dead letter")

    assert found["MessageAttributes"]["reason"]["StringValue"].startswith("not JSON")


def test_a_job_has_no_rights_but_those_of_its_role(lab: Lab) -> None:
    """With a job role that cannot read inputs, a drop fails at stage-in and says so."""
    iam = lab.client("iam")
    role = "dropbatch-sandbox-wordcount-lab"
    (policy_name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=policy_name)["PolicyDocument"]
    maimed = json.loads(json.dumps(policy))
    for statement in maimed["Statement"]:
        if any(lab.pointers["input_bucket"] in resource for resource in aslist(statement["Resource"])):
            statement["Action"] = [each for each in aslist(statement["Action"]) if not each.startswith("s3:GetObject")]
    maimed["Statement"] = [statement for statement in maimed["Statement"] if statement["Action"]]
    assert maimed != policy
    iam.put_role_policy(RoleName=role, PolicyName=policy_name, PolicyDocument=json.dumps(maimed))
    try:
        item = lab.ended(lab.drop("lab/wordcount/forbidden.txt", b"word\n"))
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy_name, PolicyDocument=json.dumps(policy))

    assert item["state"] == "FAILED"
    assert item["reason"].startswith("stage-in: ")
    assert lab.record(item)["phase"] == "stage-in"


def aslist(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def test_a_spent_budget_holds_arrivals_until_resumed(lab: Lab) -> None:
    lab.guard("pause")
    try:
        queues = lab.client("batch").describe_job_queues()["jobQueues"]
        environments = lab.client("batch").describe_compute_environments()["computeEnvironments"]
        run = lab.drop("lab/wordcount/while-paused.txt", b"word\n")
        held = until(lambda: lab.run(run), "the run to be held")
    finally:
        lab.guard("resume")

    assert {queue["state"] for queue in queues} == {"DISABLED"}
    assert {environment["state"] for environment in environments} == {"DISABLED"}
    assert held["state"] == "HELD"
    assert not lab.client("batch").list_jobs(
        jobQueue="dropbatch-sandbox-spot", filters=[{"name": "JOB_NAME", "values": [held["job_name"]]}]
    )["jobSummaryList"]
