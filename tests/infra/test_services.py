"""Services that call services: the stacks grant what AWS documents, row by row of `services.py`."""

import json
from collections import Counter

import pytest

from tests.constructs_lib.synthesis import Stack
from tests.infra.edges import Edge, edges_of, grants_for, is_from, service_grants
from tests.infra.plans import stack_of
from tests.infra.services import PAIRS, TRUSTS, Pair
from tests.project import ROOT

FULL = (ROOT / "tests/infra/full.toml").read_text()


def row_of(edge: Edge) -> Pair:
    """Return the row of a call: a new kind of call needs a row."""
    found = [pair for pair in PAIRS if (pair.caller, pair.called) == (edge.caller, edge.called)]
    assert len(found) == 1, f"{edge.caller} -> {edge.called}: {len(found)} rows in services.py, one is needed"
    return found[0]


@pytest.fixture(scope="module")
def full() -> Stack:
    return stack_of(FULL, "full")


@pytest.fixture(scope="module", params=["own inputs", "existing inputs"])
def stack(request: pytest.FixtureRequest, full: Stack) -> Stack:
    if request.param == "own inputs":
        return full
    storage = "[storage]\n"
    there = FULL.replace(storage, f'{storage}input_bucket = "lab-data"\n').replace("expire_inputs_days = 90\n", "")
    there = there.replace('web_origins = ["https://data.example.org"]\n', "")
    return stack_of(there, "full")


def test_every_row_has_an_address_and_a_call(full: Stack) -> None:
    called = Counter((edge.caller, edge.called) for edge in edges_of(full))
    for pair in PAIRS:
        assert pair.sources
        assert all(source.startswith("https://") for source in pair.sources)
        assert called[pair.caller, pair.called], f"{pair.caller} -> {pair.called}: nothing in the stack does this"


def test_every_call_is_granted_as_aws_documents(stack: Stack) -> None:
    for edge in edges_of(stack):
        pair = row_of(edge)
        assert edge.by_role is (pair.way == "role"), f"{edge}: {pair.sources[0]} wants it by {pair.way}"
        if pair.way == "none":
            continue
        grants = grants_for(stack, edge)
        for service in ("",) if pair.way == "role" else pair.principals:
            granted = {
                grant.action
                for grant in grants
                if grant.service == service and all(is_from(stack, arn, edge.source) for arn in grant.sources)
            }
            missing = set(pair.actions) - set(pair.not_needed) - granted
            assert not missing, f"{edge}: {service} lacks {missing}, see {pair.sources[0]}"


def test_no_grant_has_a_condition_that_aws_does_not_document_for_the_call(stack: Stack) -> None:
    for edge in edges_of(stack):
        pair = row_of(edge)
        for grant in grants_for(stack, edge) if pair.way != "none" else ():
            if grant.action in pair.actions and grant.service in ("", *pair.principals):
                undocumented = grant.keys - pair.actions[grant.action]
                assert not undocumented, f"{edge}: {grant.action} under {undocumented}, see {pair.sources}"


def test_no_service_is_granted_what_no_call_needs(stack: Stack) -> None:
    needed = {
        (grant.where, grant.service, grant.action)
        for edge in edges_of(stack)
        if (pair := row_of(edge)).way == "policy"
        for grant in grants_for(stack, edge)
        if grant.service in pair.principals
        and grant.action in pair.actions
        and all(is_from(stack, arn, edge.source) for arn in grant.sources)
    }
    assert {(grant.where, grant.service, grant.action) for grant, _ in service_grants(stack)} == needed


def test_calls_are_limited_to_the_caller_where_aws_documents_how(stack: Stack) -> None:
    for grant, _ in service_grants(stack):
        if grant.action != "logs:CreateLogStream":
            assert "aws:SourceArn" in grant.keys, grant
        if grant.service == "s3.amazonaws.com":  # the ARN of a bucket has no account
            assert "aws:SourceAccount" in grant.keys, grant


def test_services_assume_roles_under_documented_conditions_only(stack: Stack) -> None:
    keys = {trust.service: trust.keys for trust in TRUSTS}
    services = set()
    for role in stack.resources("aws_iam_role"):
        if role["name"].endswith(".members"):  # people: see test_groups.py
            continue
        (trust,) = json.loads(role["assume_role_policy"])["Statement"]
        assert trust["Action"] == ["sts:AssumeRole"]
        service = trust["Principal"]["Service"]
        services.add(service)
        conditions = {key: value for test in trust.get("Condition", {}).values() for key, value in test.items()}
        assert set(conditions) == keys[service], f"{role['name']}: {service}"
        if conditions:
            assert conditions["aws:SourceAccount"] == stack.account
    assert services == set(keys)


def test_roles_of_calls_are_assumed_by_the_calling_service(stack: Stack) -> None:
    for edge in edges_of(stack):
        if edge.by_role:
            type_, _, id_ = edge.role.partition(".")
            (trust,) = json.loads(stack.body["resource"][type_][id_]["assume_role_policy"])["Statement"]
            assert [trust["Principal"]["Service"]] == list(row_of(edge).principals), edge
            if edge.caller == "aws_cloudwatch_event_target":
                assert is_from(stack, trust["Condition"]["ArnEquals"]["aws:SourceArn"], edge.source)


def test_undelivered_events_raise_an_alarm_for_every_rule(stack: Stack) -> None:
    rules = {str(rule["name"]).rpartition("}")[2] for rule in stack.resources("aws_cloudwatch_event_rule")}
    alarms = stack.resources("aws_cloudwatch_metric_alarm", metric_name="FailedInvocations", namespace="AWS/Events")
    watched = {alarm["dimensions"]["RuleName"] for alarm in alarms}
    schedule = {"-schedule"}  # named after its function, by reference

    assert watched == (rules - schedule) | {"dropbatch-full-run-events-schedule"}
    assert all(alarm["alarm_actions"] and alarm["statistic"] == "Sum" for alarm in alarms)
