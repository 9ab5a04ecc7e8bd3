"""Every role has its environment's permissions boundary, and the boundary allows every right the role is granted."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from constructs_lib.bootstrap_stack import BootstrapStack, BootstrapStackProps
from dropbatch.settings import load_bootstrap
from tests.constructs_lib.synthesis import Stack
from tests.infra.plans import stack_of
from tests.project import ROOT

ARNS = {
    "aws_s3_bucket": "arn:aws:s3:::{bucket_prefix}0123",
    "aws_sqs_queue": "arn:aws:sqs:eu-central-1:123456789012:{name}",
    "aws_sns_topic": "arn:aws:sns:eu-central-1:123456789012:{name}",
    "aws_dynamodb_table": "arn:aws:dynamodb:eu-central-1:123456789012:table/{name}",
    "aws_ecr_repository": "arn:aws:ecr:eu-central-1:123456789012:repository/{name}",
    "aws_ssm_parameter": "arn:aws:ssm:eu-central-1:123456789012:parameter{name}",
    "aws_cloudwatch_log_group": "arn:aws:logs:eu-central-1:123456789012:log-group:{name}",
}


@pytest.fixture(scope="module")
def full() -> Stack:
    text = (ROOT / "tests/infra/full.toml").read_text()
    bounded = text.replace('name = "full"', 'name = "full"\npermissions_boundary = "dropbatch-boundary-full"')
    return stack_of(bounded, "full")


@pytest.fixture(scope="module")
def boundary() -> list[dict[str, Any]]:
    from cdktf import Testing  # noqa: PLC0415

    settings = load_bootstrap(ROOT / "tests/infra/bootstrap.toml")
    assert settings is not None
    stack = Stack(json.loads(Testing.synth(BootstrapStack(Testing.app(), "b", BootstrapStackProps(settings=settings)))))
    document = resolved(stack.one("aws_iam_policy", name="dropbatch-boundary-full")["policy"], stack)
    found: list[dict[str, Any]] = json.loads(document)["Statement"]
    return found


def resolved(text: str, stack: Stack) -> str:
    """Return a policy's text as AWS would receive it."""

    def value(found: re.Match[str]) -> str:
        kind, id_, attribute = found[1].removeprefix("data.").split(".")
        if kind.startswith("aws_caller"):
            return "123456789012"
        if kind == "aws_partition":
            return "aws"
        assert attribute == "arn", found[0]
        return ARNS[kind].format(**stack.body["resource"][kind][id_])

    return re.sub(r"\$\{([^}]*)\}", value, text)


def grants(stack: Stack) -> Iterator[tuple[str, str, str]]:
    policies = stack.body["resource"]["aws_iam_role_policy"] | stack.body["resource"]["aws_iam_policy"]
    for id_, policy in policies.items():
        for each in json.loads(resolved(policy["policy"], stack))["Statement"]:
            for action in each["Action"]:
                for resource in each["Resource"]:
                    yield re.sub("_[0-9A-F]{8}$", "", id_), action, resource


def test_every_role_and_user_has_the_boundary(full: Stack) -> None:
    bearers = [*full.resources("aws_iam_role"), *full.resources("aws_iam_user")]
    borne = {each["name"]: each.get("permissions_boundary") for each in bearers}

    assert {str(arn).rpartition(":")[2] for arn in borne.values()} == {"policy/dropbatch-boundary-full"}, borne


def test_an_unset_boundary_is_on_no_role() -> None:
    plain = stack_of((ROOT / "tests/infra/full.toml").read_text(), "full")

    assert not [role["name"] for role in plain.resources("aws_iam_role") if "permissions_boundary" in role]


def test_the_boundary_allows_every_right_that_roles_are_granted(full: Stack, boundary: list[dict[str, Any]]) -> None:
    def allowed(action: str, resource: str) -> bool:
        return any(
            any(fnmatchcase(action, each) for each in statement["Action"])
            and any(fnmatchcase(resource, each) for each in statement["Resource"])
            for statement in boundary
        )

    lost = [grant for grant in grants(full) if not allowed(*grant[1:])]

    assert not lost, "constructs_lib/boundary.py has to allow these too"
