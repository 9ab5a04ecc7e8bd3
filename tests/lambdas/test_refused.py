"""Jobs that Batch refuses: the JOB item and the log have the reason, and the runs start once the cause is removed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, ParamValidationError, ReadTimeoutError

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from lambdas.arrival.jobs import NoDefinitionError
from lambdas.arrival.refused import reason_of
from tests.lambdas.conftest import DEPLOYMENT, dropped, make_arrival, run_events, sqs_record
from tests.lambdas.simulated_aws import SimulatedAws, error

WORDS = "Either schedulingPriority in job definition or schedulingPriorityOverride is required"
DEFINITION = "dropbatch-test-wordcount-lab"


@dataclass
class Life:
    """A deployment over time; each round runs reconcile after the lease has expired."""

    aws: SimulatedAws
    deployment: Deployment = DEPLOYMENT
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    begun: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.now

    def clock(self) -> datetime:
        return self.now

    def arrive(self, *records: dict[str, Any]) -> None:
        assert not make_arrival(self.aws, self.deployment, clock=self.clock).process(records).ids

    def round(self) -> dict[str, int]:
        """Run reconcile and deliver its messages; return what it repaired."""
        self.now += self.deployment.lease + timedelta(minutes=self.deployment.reconcile_minutes)
        done = run_events(self.aws, self.deployment, clock=self.clock).reconcile.run(at=self.now)
        self.arrive(*(sqs_record(each["MessageBody"], str(place)) for place, each in enumerate(self.aws.sqs.sent)))
        self.aws.sqs.sent.clear()
        return done

    def job(self) -> dict[str, Any]:
        """Return the only JOB item."""
        (item_id,) = [item_id for item_id in self.aws.dynamodb.items if item_id.startswith("job#")]
        return self.aws.dynamodb.plain(item_id)

    def refused(self, group: str = "lab") -> list[dict[str, Any]]:
        """Return the JOB items shown as refused now."""
        values = {":group": ledger.refused_key(group), ":now": ledger.timestamp(self.now)}
        pages = self.aws.dynamodb.get_paginator("query").paginate(
            TableName="ledger",
            IndexName=ledger.BY_DAY,
            KeyConditionExpression="#day = :group AND created_at > :now",
            ExpressionAttributeNames={"#day": "day"},
            ExpressionAttributeValues=ledger.to_item(values),
        )
        return [ledger.from_item(item) for page in pages for item in page["Items"]]


@pytest.fixture
def life(aws: SimulatedAws) -> Life:
    return Life(aws)


def refusing(operation: str, *, message: str = WORDS, code: str = "ClientException", status: int = 400) -> Any:
    def tap(called: str, call: Mapping[str, Any]) -> None:
        if called == operation:
            raise error(code, called, message=message, status=status)

    return tap


def let_through(operation: str, call: Mapping[str, Any]) -> None:
    pass


def told(printed: str) -> list[dict[str, Any]]:
    """Log lines from which CloudWatch makes the alarm's metric."""
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return [line for line in lines if "SubmissionsRefused" in line]


def test_every_submission_has_the_priority_of_its_pipeline(aws: SimulatedAws) -> None:
    wordcount = DEPLOYMENT.pipelines["wordcount"]._replace(priority=0)
    deployment = DEPLOYMENT._replace(pipelines={**DEPLOYMENT.pipelines, "wordcount": wordcount})

    make_arrival(aws, deployment).process([dropped("lab/wordcount/a", "lab/sort/a.dat")])

    priorities = {job["jobDefinition"]: job["schedulingPriorityOverride"] for job in aws.batch.jobs.values()}
    assert priorities == {"dropbatch-test-wordcount-lab:1": 0, "dropbatch-test-sort-lab:1": 100}


def test_a_refused_job_records_the_reason_and_the_time(life: Life) -> None:
    life.aws.tap = refusing("SubmitJob")

    life.arrive(dropped("lab/wordcount/a", "lab/wordcount/b"))

    assert [run["state"] for run in life.aws.dynamodb.runs()] == ["HELD", "HELD"]
    (job,) = life.refused()
    first = ledger.timestamp(life.begun)
    assert job["refused"] == {"reason": f"ClientException: {WORDS}", "since": first, "at": first}
    assert (job["state"], job["size"], job["pipeline"]) == ("PREPARED", 2, "wordcount")
    assert life.refused("neuro") == []

    life.round()

    (job,) = life.refused()
    assert (job["refused"]["since"], job["refused"]["at"]) == (first, ledger.timestamp(life.now))


def test_only_a_repeated_refusal_raises_the_alarm(
    life: Life, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    life.aws.tap = refusing("SubmitJob")

    life.arrive(dropped("lab/wordcount/a"))
    assert told(capsys.readouterr().out) == []

    for _ in range(2):
        life.round()
        (line,) = told(capsys.readouterr().out)
        assert line["SubmissionsRefused"] == 1
        assert line["Environment"] == "test"
        assert line["event"] == "submission refused"
        assert (line["reason"], line["group"], line["pipeline"]) == (f"ClientException: {WORDS}", "lab", "wordcount")
        assert line["_aws"]["CloudWatchMetrics"] == [
            {
                "Namespace": "dropbatch",
                "Dimensions": [["Environment"]],
                "Metrics": [{"Name": "SubmissionsRefused", "Unit": "Count"}],
            }
        ]
    assert [record.levelname for record in caplog.records if "refused again" in record.message] == ["ERROR"] * 2


def test_runs_start_and_the_refusal_is_cleared_once_the_cause_is_removed(
    life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    life.aws.tap = refusing("SubmitJob")
    life.arrive(dropped("lab/wordcount/a", "lab/wordcount/b"))
    life.round()
    before = len(life.aws.s3.objects), len(life.aws.dynamodb.items)

    life.aws.tap = let_through
    life.aws.batch.definitions[DEFINITION] = 2  # by a deploy
    capsys.readouterr()
    life.round()

    (job,) = life.aws.batch.jobs.values()
    assert job["jobDefinition"] == f"{DEFINITION}:2"
    assert job["arrayProperties"] == {"size": 2}
    item = life.job()
    assert (item["state"], item["definition"]) == ("SUBMITTED", f"{DEFINITION}:2")
    assert not item.keys() & {"refused", "day", "created_at"}
    assert life.refused() == []
    assert told(capsys.readouterr().out) == []
    # Always the same job and manifest: nothing accumulates while it is refused.
    assert (len(life.aws.s3.objects), len(life.aws.dynamodb.items)) == before
    assert life.round() == {}


def test_a_requested_revision_is_not_replaced_by_a_newer_one(life: Life) -> None:
    life.aws.tap = refusing("SubmitJob")
    life.arrive(dropped("lab/wordcount/a"))
    item_id = life.job()["id"]
    life.aws.dynamodb.items[item_id]["asked"] = {"S": f"{DEFINITION}:1"}  # as `reproduce` does

    life.aws.tap = let_through
    life.aws.batch.definitions[DEFINITION] = 2
    life.round()

    (job,) = life.aws.batch.jobs.values()
    assert job["jobDefinition"] == f"{DEFINITION}:1"


@pytest.mark.parametrize("why", ["missing", "denied"])
def test_a_missing_definition_is_a_refusal(life: Life, why: str) -> None:
    if why == "missing":
        del life.aws.batch.definitions[DEFINITION]
    else:
        life.aws.tap = refusing(
            "DescribeJobDefinitions", code="AccessDeniedException", message="not authorized", status=403
        )
    life.arrive(dropped("lab/wordcount/a"))

    (job,) = life.refused()
    expected = {
        "missing": f"no active job definition '{DEFINITION}': deploy the stack again",
        "denied": "AccessDeniedException: not authorized",
    }
    assert job["refused"]["reason"] == expected[why]

    life.aws.tap = let_through
    life.aws.batch.definitions[DEFINITION] = 3
    life.round()

    (submitted,) = life.aws.batch.jobs.values()
    assert submitted["jobDefinition"] == f"{DEFINITION}:3"
    assert life.job()["definition"] == f"{DEFINITION}:3"
    assert life.refused() == []


def test_a_queue_disabled_by_a_pause_is_no_refusal(life: Life) -> None:
    def pause(operation: str, call: Mapping[str, Any]) -> None:
        if operation == "SubmitJob":
            life.aws.dynamodb.items[ledger.PAUSED] = ledger.to_item({"id": ledger.PAUSED, "since": "2026"})
            raise error("ClientException", operation, message="the queue is disabled", status=400)

    life.aws.tap = pause

    life.arrive(dropped("lab/wordcount/a"))

    assert life.refused() == []
    assert "refused" not in life.job()


def test_a_submission_found_in_batch_is_no_longer_refused(life: Life) -> None:
    """Batch accepts the job but the answer is lost; then it refuses a repetition before ListJobs shows the job."""
    life.aws.tap = refusing("SubmitJob")
    life.arrive(dropped("lab/wordcount/a"))
    life.aws.tap = let_through
    name = life.job()["id"].removeprefix("job#")
    life.aws.batch.jobs["job-1"] = {"jobName": name, "jobId": "job-1", "status": "SUBMITTED"}

    assert life.round() == {"submissions found in Batch": 1}

    assert life.refused() == []
    assert "refused" not in life.job()
    assert len(life.aws.batch.jobs) == 1


def test_a_refusal_that_is_not_renewed_expires(life: Life) -> None:
    """For example after its runs were canceled, or during a pause."""
    life.aws.tap = refusing("SubmitJob")
    life.arrive(dropped("lab/wordcount/a"))

    life.now += DEPLOYMENT.refusal - timedelta(seconds=1)
    assert life.refused()

    life.now += timedelta(seconds=2)
    assert life.refused() == []


def test_a_job_taken_over_by_another_invocation_is_left_to_it(life: Life) -> None:
    def overtaken(operation: str, call: Mapping[str, Any]) -> None:
        if operation == "SubmitJob":
            item = life.aws.dynamodb.items[f"job#{call['jobName']}"]
            item["state"], item["job_id"] = {"S": "SUBMITTED"}, {"S": "job-of-the-other"}
            raise error("ClientException", operation, status=400)

    life.aws.tap = overtaken

    life.arrive(dropped("lab/wordcount/a"))

    assert life.refused() == []
    assert life.job()["state"] == "SUBMITTED"


def test_runs_of_a_removed_pool_go_to_another(life: Life) -> None:
    life.aws.tap = refusing("SubmitJob", message="JobQueue dropbatch-test-spot not found")
    life.arrive(dropped("lab/wordcount/a"))
    assert life.refused()

    life.aws.tap = let_through
    pipeline = DEPLOYMENT.pipelines["wordcount"]._replace(pools=("ondemand",))
    life.deployment = DEPLOYMENT._replace(
        pools={"ondemand": DEPLOYMENT.pools["ondemand"]}, pipelines={"wordcount": pipeline}
    )
    life.round()

    (job,) = life.aws.batch.jobs.values()
    assert job["jobQueue"] == "dropbatch-test-ondemand"


def test_a_job_of_an_earlier_release_is_submitted_as_it_was_prepared(life: Life) -> None:
    life.aws.tap = refusing("SubmitJob", code="ServerException", status=500)
    life.arrive(dropped("lab/wordcount/a"))
    del life.aws.dynamodb.items[life.job()["id"]]["asked"]

    life.aws.tap = let_through
    life.round()

    (job,) = life.aws.batch.jobs.values()
    assert job["jobDefinition"] == f"{DEFINITION}:1"
    assert job["schedulingPriorityOverride"] == 100


REFUSED: dict[str, Exception] = {
    "a wrong parameter": error("ClientException", "SubmitJob", message="Error executing request", status=400),
    "no right": error("AccessDeniedException", "SubmitJob", message="not authorized to perform", status=403),
    "no such operation": error("UnknownOperationException", "SubmitJob", message="?", status=404),
    "no definition": NoDefinitionError("no active job definition 'x': deploy the stack again"),
    "not even sent": ParamValidationError(report="Invalid type for parameter jobName"),
}
PASSING: dict[str, Exception] = {
    "throttled": error("TooManyRequestsException", "SubmitJob", status=429),
    "throttled, by another name": error("ThrottlingException", "SubmitJob", status=400),
    "a fault of Batch": error("ServerException", "SubmitJob", status=500),
    "Batch is unavailable": error("ServiceUnavailable", "SubmitJob", status=503),
    "credentials about to be renewed": error("ExpiredTokenException", "SubmitJob", status=403),
    "an answer without a status": error("ClientException", "SubmitJob"),
    "no connection": ConnectTimeoutError(endpoint_url="https://batch"),
    "no answer": ReadTimeoutError(endpoint_url="https://batch"),
}


@pytest.mark.parametrize("fault", REFUSED.values(), ids=REFUSED.keys())
def test_errors_that_blame_the_request_are_refusals(fault: Exception) -> None:
    assert reason_of(fault)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_temporary_and_ambiguous_errors_are_no_refusals(life: Life, fault: Exception) -> None:
    def tap(operation: str, call: Mapping[str, Any]) -> None:
        if operation == "SubmitJob":
            raise fault

    life.aws.tap = tap
    life.arrive(dropped("lab/wordcount/a"))

    assert reason_of(fault) == ""
    assert "refused" not in life.job()
