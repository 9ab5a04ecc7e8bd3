"""Every rule accepts a request at its limit and refuses one beyond it."""

import pytest

from dropbatch.sandbox.rules import violations
from tests.sandbox.rules import batch_cases, dynamodb_cases, other_cases
from tests.sandbox.rules.batch_cases import FAIR, FAIR_WITH_PRIORITY
from tests.sandbox.rules.cases import Case, judge

CASES = {"batch": batch_cases.CASES, "dynamodb": dynamodb_cases.CASES, **other_cases.CASES}


@pytest.mark.parametrize(
    ("service", "case"),
    [(service, case) for service, cases in CASES.items() for case in cases],
    ids=lambda each: each if isinstance(each, str) else f"{each.operation}-{each.rule}",
)
def test_a_rule_accepts_the_request_at_its_limit_and_refuses_the_one_beyond(service: str, case: Case) -> None:
    judge(service, case)


@pytest.mark.parametrize("case", dynamodb_cases.CASES, ids=lambda case: f"{case.operation}-{case.rule}")
def test_a_dynamodb_request_at_a_limit_breaks_no_other_rule(case: Case) -> None:
    # Some cases leave out the values of their expressions, which other rules require.
    if "ExpressionAttributeValues" in case.limit or not any("Expression" in name for name in case.limit):
        assert not list(violations("dynamodb", case.operation, case.limit, case.known))


def test_a_fair_share_queue_requires_a_scheduling_priority() -> None:
    request = {"jobName": "j", "jobQueue": "q", "jobDefinition": "d", "shareIdentifier": "lab"}

    (found,) = violations("batch", "SubmitJob", request, FAIR)

    assert str(found) == (
        "batch.SubmitJob: Either schedulingPriority in job definition or schedulingPriorityOverride is required. "
        "(rule 'scheduling priority with a fair-share policy': "
        "https://github.com/hashicorp/terraform-provider-aws/issues/31226)"
    )
    assert list(violations("batch", "SubmitJob", request, FAIR_WITH_PRIORITY)) == []
    assert list(violations("batch", "SubmitJob", request)) == []  # of a queue that nobody knows
