import json

import pytest

from constructs_lib.budget import Budget, BudgetProps
from constructs_lib.events import JobEvents, JobEventsProps, RunNotices, RunNoticesProps
from constructs_lib.queue import Queue, QueueProps
from constructs_lib.topic import Topic, TopicProps
from constructs_lib.variables import Variables, VariablesProps
from tests.constructs_lib.synthesis import Stack, statement, statements, synthesize


def budget(scope, site) -> None:
    variables = Variables(scope, "Variables", VariablesProps(email="lab@example.org", budget_usd=50))
    warnings, exceeded = (Topic(scope, name, TopicProps(site=site, name=name)) for name in ("operators", "budget"))
    warnings.mail_to(variables.notification_email)
    props = BudgetProps(
        site=site,
        limit=variables.budget_limit,
        warn_at_percent=[80, 50, 100],
        warn_forecast_percent=[100],
        warnings=warnings,
        exceeded=exceeded,
    )
    Budget(scope, "Budget", props)


class TestJobEvents:
    def test_only_job_states_that_matter_to_a_run_are_delivered(self) -> None:
        def build(scope, site):
            queue = Queue(scope, "Q", QueueProps(site=site, name="job-events", visibility_seconds=60))
            JobEvents(scope, "Events", JobEventsProps(site=site, pools=[], queue=queue))

        pattern = json.loads(synthesize(build).one("aws_cloudwatch_event_rule")["event_pattern"])

        assert pattern["detail-type"] == ["Batch Job State Change", "Batch Job Queue Blocked"]
        assert pattern["detail"]["status"] == ["RUNNABLE", "RUNNING", "SUCCEEDED", "FAILED"]


class TestRunNotices:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        def build(scope, site):
            RunNotices(
                scope, "Notices", RunNoticesProps(site=site, topic=Topic(scope, "T", TopicProps(site=site, name="ops")))
            )

        return synthesize(build)

    def test_ends_of_runs_of_this_deployment_are_published(self, stack: Stack) -> None:
        assert json.loads(stack.one("aws_cloudwatch_event_rule")["event_pattern"]) == {
            "source": ["dropbatch"],
            "detail-type": ["Run State Change"],
            "detail": {"environment": ["test"], "state": ["SUCCEEDED", "FAILED", "REJECTED", "CANCELLED"]},
        }

    def test_people_receive_the_summary_only(self, stack: Stack) -> None:
        assert stack.one("aws_cloudwatch_event_target")["input_path"] == "$.detail.summary"

    def test_plain_http_is_refused(self, stack: Stack) -> None:
        refused = statement(statements(stack.one("aws_sns_topic_policy")["policy"]), "RefusePlainHttp")
        assert (refused["Effect"], refused["Principal"]) == ("Deny", "*")
        assert refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    def test_the_rule_publishes_with_a_role(self, stack: Stack) -> None:
        rule, topic = (stack.address(each) for each in ("aws_cloudwatch_event_rule", "aws_sns_topic"))
        target = stack.one("aws_cloudwatch_event_target")
        role = stack.one("aws_iam_role", name="dropbatch-test.run-notices")
        (trust,) = statements(role["assume_role_policy"])

        assert target["role_arn"] == f"${{{stack.address('aws_iam_role')}.arn}}"
        assert trust["Principal"] == {"Service": "events.amazonaws.com"}
        assert trust["Condition"] == {
            "ArnEquals": {"aws:SourceArn": f"${{{rule}.arn}}"},
            "StringEquals": {"aws:SourceAccount": stack.account},
        }
        (right,) = stack.rights("dropbatch-test.run-notices")
        assert (right["Action"], right["Resource"]) == (["sns:Publish"], [f"${{{topic}.arn}}"])
        assert {each["Effect"] for each in statements(stack.one("aws_sns_topic_policy")["policy"])} == {"Deny"}

    def test_a_topic_policy_never_names_a_rule(self) -> None:
        def build(scope, site):
            topic = Topic(scope, "T", TopicProps(site=site, name="ops"))
            topic.accept_from("Rule", "events.amazonaws.com", "arn:aws:events:eu-central-1:000000000000:rule/r")

        with pytest.raises(ValueError, match=r"a topic's policy cannot name a rule of EventBridge, got arn:.* a role"):
            synthesize(build)


class TestBudget:
    @pytest.fixture(scope="class")
    @classmethod
    def stack(cls) -> Stack:
        return synthesize(budget)

    def test_the_budget_counts_resources_with_the_cost_tag(self, stack: Stack) -> None:
        assert stack.one("aws_budgets_budget")["cost_filter"] == [
            {"name": "TagKeyValue", "values": ["user:research-stack-id$dropbatch-test"]}
        ]

    def test_credits_and_refunds_do_not_lower_the_cost(self, stack: Stack) -> None:
        assert stack.one("aws_budgets_budget")["cost_types"] == {"include_credit": False, "include_refund": False}

    def test_warnings_and_the_limit_use_different_topics(self, stack: Stack) -> None:
        notices = stack.one("aws_budgets_budget")["notification"]
        told = {each["threshold"]: each["subscriber_sns_topic_arns"] for each in notices}
        operators, brake = (
            f"${{{stack.address('aws_sns_topic', name=f'dropbatch-test-{name}')}.arn}}"
            for name in ("operators", "budget")
        )
        assert told == {50: [operators], 80: [operators], 100: [brake]}

    def test_the_limit_is_a_variable_with_the_value_of_the_file(self, stack: Stack) -> None:
        assert stack.one("aws_budgets_budget")["limit_amount"] == "${var.budget_limit}"
        assert stack.body["variable"]["budget_limit"]["default"] == 50
        assert stack.body["variable"]["notification_email"]["default"] == "lab@example.org"

    def test_only_this_budget_may_publish(self, stack: Stack) -> None:
        for policy in stack.resources("aws_sns_topic_policy"):
            allowed = statement(statements(policy["policy"]), "Budget")
            assert allowed["Principal"] == {"Service": "budgets.amazonaws.com"}
            assert allowed["Condition"]["ArnLike"]["aws:SourceArn"].endswith(":budget/dropbatch-test")
            assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": stack.account}

    def test_an_empty_address_is_not_subscribed(self, stack: Stack) -> None:
        mail = stack.one("aws_sns_topic_subscription", protocol="email")
        assert mail["count"] == '${var.notification_email == "" ? 0 : 1}'
        assert mail["endpoint"] == "${var.notification_email}"
