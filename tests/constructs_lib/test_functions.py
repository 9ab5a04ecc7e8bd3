from pathlib import Path

import pytest

from constructs_lib.assets import Package
from constructs_lib.function import Function, FunctionProps
from constructs_lib.queue import Queue, QueueProps
from tests.constructs_lib.synthesis import Stack, statement, synthesize

P = "dropbatch-dev"


@pytest.fixture(scope="module")
def stack(stacks: dict[str, Stack]) -> Stack:
    return stacks["dev"]


def actions(stack: Stack, function: str) -> set[str]:
    return {action for each in stack.rights(f"{P}-{function}.function") for action in each["Action"]}


def test_the_arrival_function_has_exactly_these_rights(stack: Stack) -> None:
    assert actions(stack, "arrival") == {
        *(f"dynamodb:{name}" for name in ("BatchGetItem", "PutItem", "UpdateItem")),
        *(f"sqs:{name}" for name in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "SendMessage")),
        "sqs:ChangeMessageVisibility",
        *(f"batch:{name}" for name in ("SubmitJob", "TagResource", "DescribeJobDefinitions", "TerminateJob")),
        *(f"s3:{name}" for name in ("PutObject", "GetObject", "GetObjectVersion", "ListBucket", "ListBucketVersions")),
        *("s3:DeleteObject", "events:PutEvents", "logs:CreateLogStream", "logs:PutLogEvents"),
    }


def test_the_arrival_function_deletes_refusals_only(stack: Stack) -> None:
    deleting = [each for each in stack.rights(f"{P}-arrival.function") if "s3:DeleteObject" in each["Action"]]
    assert [arn.rpartition("}")[2] for each in deleting for arn in each["Resource"]] == [
        "/*/submissions/*/_rejected.json"
    ]


def test_the_arrival_function_reads_requests_but_no_data(stack: Stack) -> None:
    reading = statement(stack.rights(f"{P}-arrival.function"), "ReadRequests")["Resource"]
    assert [arn.rpartition("}")[2] for arn in reading] == ["/*/submissions/*"]


def test_the_run_events_function_has_exactly_these_rights(stack: Stack) -> None:
    assert actions(stack, "run-events") == {
        *(f"dynamodb:{name}" for name in ("BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")),
        *(f"sqs:{name}" for name in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "SendMessage")),
        *("batch:ListJobs", "batch:DescribeJobs", "batch:CancelJob", "batch:TerminateJob"),
        *("batch:DescribeJobQueues", "batch:DescribeComputeEnvironments"),
        *("batch:UpdateJobQueue", "batch:UpdateComputeEnvironment"),
        *("s3:GetObject", "s3:PutObject", "s3:ListBucket", "events:PutEvents", "sns:Publish"),
        *("logs:CreateLogStream", "logs:PutLogEvents"),
    }


def test_the_spend_guard_has_exactly_these_rights(stack: Stack) -> None:
    assert actions(stack, "spend-guard") == {
        *("batch:DescribeJobQueues", "batch:DescribeComputeEnvironments"),
        *("batch:UpdateJobQueue", "batch:UpdateComputeEnvironment", "batch:ListJobs", "batch:TerminateJob"),
        *("dynamodb:PutItem", "dynamodb:DeleteItem", "sns:Publish", "logs:CreateLogStream", "logs:PutLogEvents"),
    }


def test_jobs_are_submitted_to_this_deployment_only(stack: Stack) -> None:
    resources = statement(stack.rights(f"{P}-arrival.function"), "SubmitJobs")["Resource"]
    # And of the job, whose resource type AWS lists: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html
    assert [arn.rsplit(":", 1)[1] for arn in resources] == [f"job-definition/{P}-*", f"job-queue/{P}-*", "job/*"]


def test_every_grant_names_resources_unless_aws_has_no_resource_level(stack: Stack) -> None:
    no_resource_level = {
        "batch:DescribeComputeEnvironments",
        "batch:DescribeJobDefinitions",
        "batch:DescribeJobQueues",
        "batch:DescribeJobs",
        "batch:ListJobs",
        "ecr:GetAuthorizationToken",
        "ecs:DiscoverPollEndpoint",
    }
    for role in stack.resources("aws_iam_role"):
        for each in stack.rights(role["name"]):
            assert not any("*" in action for action in each["Action"])
            assert ("*" in each["Resource"]) == (set(each["Action"]) <= no_resource_level)


@pytest.mark.parametrize(
    ("function", "variables"),
    [
        ("arrival", {"LEDGER_TABLE", "INPUT_BUCKET", "OUTPUT_BUCKET", "ARRIVAL_QUEUE_URL", "ARRIVAL_DEAD_LETTER_URL"}),
        ("run-events", {"LEDGER_TABLE", "OUTPUT_BUCKET", "ARRIVAL_QUEUE_URL", "PEOPLE_TOPIC_ARN"}),
        ("spend-guard", {"LEDGER_TABLE", "PEOPLE_TOPIC_ARN"}),
    ],
)
def test_a_function_has_its_environment_variables(stack: Stack, function: str, variables: set[str]) -> None:
    found = stack.one("aws_lambda_function", function_name=f"{P}-{function}")
    assert set(found["environment"]["variables"]) == {"DROPBATCH_ENVIRONMENT", *variables}
    assert found["handler"] == f"lambdas.{function.replace('-', '_')}.handler.handle"
    assert found["runtime"] == "python3.13"
    assert found["logging_config"]["log_format"] == "JSON"


def test_the_visibility_timeout_is_six_times_that_of_the_function(stack: Stack) -> None:
    longest = max(each["timeout"] for each in stack.resources("aws_lambda_function"))
    hidden = {each.get("visibility_timeout_seconds") for each in stack.resources("aws_sqs_queue")} - {None}
    assert hidden == {6 * longest}


def test_both_queues_invoke_their_function_and_report_failures_one_by_one(stack: Stack) -> None:
    mappings = stack.resources("aws_lambda_event_source_mapping")
    assert {each["event_source_arn"] for each in mappings} == {
        f"${{{stack.address('aws_sqs_queue', name=f'{P}-{name}')}.arn}}" for name in ("arrivals", "job-events")
    }
    assert all(each["function_response_types"] == ["ReportBatchItemFailures"] for each in mappings)


def test_reconcile_runs_on_the_configured_schedule(stacks: dict[str, Stack]) -> None:
    assert stacks["dev"].resources("aws_cloudwatch_event_rule", schedule_expression="rate(5 minutes)")
    assert stacks["sandbox"].resources("aws_cloudwatch_event_rule", schedule_expression="rate(1 minute)")


def test_the_spend_guard_is_subscribed_to_the_spent_budget(stack: Stack) -> None:
    subscription = stack.one("aws_sns_topic_subscription", protocol="lambda")
    topic = f"${{{stack.address('aws_sns_topic', name=f'{P}-budget')}.arn}}"
    assert subscription["topic_arn"] == topic
    assert stack.resources("aws_lambda_permission", principal="sns.amazonaws.com", source_arn=topic)


def test_large_batch_without_window_is_refused(tmp_path: Path) -> None:
    package = Package(path=tmp_path / "code.zip", handler="handler.handle", sha256=b"\0" * 32)
    package.path.write_bytes(b"")

    def build(scope, site):
        function = Function(
            scope,
            "Function",
            FunctionProps(site=site, name="f", description="", package=package, timeout_seconds=3, environment={}),
        )
        queue = Queue(scope, "Queue", QueueProps(site=site, name="q", visibility_seconds=18))
        function.consume(queue, batch_size=11, window_seconds=0)

    with pytest.raises(ValueError, match="needs a window of at least 1 second, got 11 messages and 0 seconds: raise"):
        synthesize(build)
