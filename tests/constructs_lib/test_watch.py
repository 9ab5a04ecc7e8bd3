import json
from datetime import UTC, datetime

import pytest

from dropbatch.contract.metrics import REFUSED, embedded
from tests.constructs_lib.synthesis import Stack, statement, statements


@pytest.fixture
def stack(stacks: dict[str, Stack]) -> Stack:
    return stacks["dev"]


def test_operators_are_alerted_to_dead_letters_old_messages_and_errors(stack: Stack) -> None:
    alarms = {
        each["alarm_name"].removeprefix("dropbatch-dev-"): each
        for each in stack.resources("aws_cloudwatch_metric_alarm")
    }
    assert set(alarms) == {
        *(f"{queue}-{what}" for queue in ("arrivals", "job-events") for what in ("dead-letters", "oldest-message")),
        *(f"{function}-errors" for function in ("arrival", "run-events", "spend-guard")),
        "submissions-refused",
        *(f"{rule}-undelivered" for rule in ("job-events", "run-notices", "run-log", "run-events-schedule")),
    }
    topic = f"${{{stack.address('aws_sns_topic', name='dropbatch-dev-people')}.arn}}"
    assert all(each["alarm_actions"] == [topic] for each in alarms.values())
    assert all(each["treat_missing_data"] == "notBreaching" for each in alarms.values())
    assert alarms["arrivals-dead-letters"]["dimensions"] == {"QueueName": "dropbatch-dev-arrivals-dead"}
    assert alarms["arrivals-oldest-message"]["threshold"] == 1800
    assert alarms["run-events-errors"]["dimensions"] == {"FunctionName": "dropbatch-dev-run-events"}


def test_operators_are_alerted_to_refused_submissions(stack: Stack) -> None:
    alarm = stack.one("aws_cloudwatch_metric_alarm", alarm_name="dropbatch-dev-submissions-refused")
    written = embedded(REFUSED, 1, environment="dev", at=datetime(2026, 1, 1, tzinfo=UTC), fields={})
    (directive,) = written["_aws"]["CloudWatchMetrics"]
    (dimensions,), (metric,) = directive["Dimensions"], directive["Metrics"]

    assert (alarm["namespace"], alarm["metric_name"]) == (directive["Namespace"], metric["Name"])
    assert alarm["dimensions"] == {name: written[name] for name in dimensions}
    assert written[alarm["metric_name"]] > alarm["threshold"]
    # A lease of three minutes, and reconcile every five: each refused job is refused twice within that time.
    assert alarm["period"] == 2 * (180 + 300)
    assert "dropbatch --env dev doctor" in alarm["alarm_description"]


def test_runs_are_logged_for_the_dashboard(stack: Stack) -> None:
    log = stack.one("aws_cloudwatch_log_group", name="/aws/events/dropbatch-dev/runs")
    assert log["retention_in_days"] == 90
    policy = statements(stack.one("aws_cloudwatch_log_resource_policy")["policy_document"])
    rule = f"${{{stack.address('aws_cloudwatch_event_rule', name='dropbatch-dev-run-log')}.arn}}"
    for service, sid in (("events.amazonaws.com", "Events"), ("delivery.logs.amazonaws.com", "Delivery")):
        streams, lines = statement(policy, f"{sid}Streams"), statement(policy, f"{sid}Lines")
        assert streams["Principal"] == lines["Principal"] == {"Service": service}
        assert "Condition" not in streams  # EventBridge creates streams without the rule's ARN
        assert lines["Condition"] == {"ArnEquals": {"aws:SourceArn": rule}}


def test_the_dashboard_shows_runs_queues_machines_and_spend(stack: Stack) -> None:
    dashboard = stack.one("aws_cloudwatch_dashboard", dashboard_name="dropbatch-dev")
    widgets = json.loads(dashboard["dashboard_body"])["widgets"]
    assert [each["properties"]["title"].split(" (")[0] for each in widgets] == [
        "Runs by state",
        "Failures by pipeline",
        "Age of the oldest message",
        "vCPUs reserved by jobs",
        "vCPUs in use",
        "Spend this month",
    ]
    assert len({(each["x"], each["y"]) for each in widgets}) == 6
