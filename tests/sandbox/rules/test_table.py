"""The table of rules: sources, names, cases, and no rule that a service model already contains."""

import re

import pytest

from dropbatch.sandbox.rules import RULES, Rule
from dropbatch.sandbox.rules.model import beyond_botocore, model_of, not_of_model, usable_pattern
from dropbatch.sandbox.rules.reserved_words import RESERVED_WORDS
from tests.sandbox.rules import batch_cases, dynamodb_cases, other_cases

CASES = {"batch": batch_cases.CASES, "dynamodb": dynamodb_cases.CASES, **other_cases.CASES}
EVERY = [(service, rule) for service, rules in RULES.items() for rule in rules]
ALLOWED = re.compile(r"https://(docs\.aws\.amazon\.com/|github\.com/[\w-]+/[\w-]+/(issues|pull)/\d+)\S*")


@pytest.mark.parametrize(("service", "rule"), EVERY, ids=lambda each: each if isinstance(each, str) else each.name)
def test_every_rule_has_a_source_exists_at_its_operations_and_has_a_case(service: str, rule: Rule) -> None:
    assert ALLOWED.fullmatch(rule.source)
    assert set(rule.operations) <= set(model_of(service).operation_names)
    assert [case for case in CASES[service] if case.rule == rule.name and case.operation in rule.operations]


def test_there_are_as_many_reserved_words_as_the_guide_lists() -> None:
    assert len(RESERVED_WORDS) == 573
    assert {"STATE", "USAGE", "NAME", "TTL"} <= RESERVED_WORDS


class TestModel:
    def test_checks_of_botocore_and_ours_are_both_made(self) -> None:
        found = not_of_model("batch", "CreateJobQueue", {"jobQueueName": "q", "state": "ON"})

        assert found == [
            'Missing required parameter in input: "priority"',
            "state: must be one of DISABLED, ENABLED, got 'ON'",
        ]

    @pytest.mark.parametrize(
        ("service", "operation", "params", "found"),
        [
            ("dynamodb", "TransactWriteItems", {"TransactItems": [{}] * 100}, []),
            ("dynamodb", "TransactWriteItems", {"TransactItems": [{}] * 101}, ["TransactItems: at most 100 entries"]),
            ("dynamodb", "TransactWriteItems", {"ClientRequestToken": "x" * 37}, ["ClientRequestToken: at most 36"]),
            ("logs", "GetLogEvents", {"limit": 10_001}, ["limit: at most 10,000, got 10,001"]),
            ("dynamodb", "Query", {"IndexName": "a/b"}, ["IndexName: must match"]),
            ("dynamodb", "PutItem", {"ReturnValues": "SOME"}, ["ReturnValues: must be one of"]),
            ("batch", "SubmitJob", {"tags": {"a": "b" * 257}}, ["tags.a: at most 256 characters"]),
            ("batch", "SubmitJob", {"retryStrategy": {"evaluateOnExit": [{"action": "exit"}]}}, []),
            ("dynamodb", "PutItem", {"Item": {"a": {"L": [{"S": "deep"}]}}}, []),
        ],
    )
    def test_maxima_enumerations_and_patterns_are_checked(
        self, service: str, operation: str, params: dict[str, object], found: list[str]
    ) -> None:
        said = beyond_botocore(service, operation, params)

        assert len(said) == len(found)
        assert all(text.startswith(start) for text, start in zip(said, found, strict=True)), said

    @pytest.mark.parametrize("service", sorted(RULES))
    def test_only_patterns_that_python_cannot_read_are_left_out(self, service: str) -> None:
        model = model_of(service)
        patterns = {
            shape.metadata["pattern"]
            for shape in (model.shape_for(name) for name in model.shape_names)
            if "pattern" in shape.metadata
        }

        left_out = {pattern for pattern in patterns if usable_pattern(pattern) is None}

        reasons = (r"\p{", r"\uD800", r"\w-_", r"\w-\/")  # the last two: ranges from a class, which Java takes
        assert not [pattern for pattern in left_out if not any(reason in pattern for reason in reasons)]
