"""Each setting of ``bootstrap.toml`` changes the expected resources, and no others."""

import json
import tomllib
from fnmatch import fnmatch

import pytest

from constructs_lib.bootstrap_stack import BootstrapStack, BootstrapStackProps
from dropbatch.settings import Bootstrap
from dropbatch.settings.bootstrap import AccountSettings, GithubSettings
from tests.constructs_lib.synthesis import Stack
from tests.infra.plans import difference
from tests.project import bootstrap_toml

BASE = bootstrap_toml("dev")
TRUSTS = {"aws_iam_role:Github_*_Role"}
BOUNDARY = {"aws_iam_policy:Github_Boundary-dev_Policy"}

# table, key: what is written in place of what, what changes
CASES: dict[tuple[str, str], tuple[str, str, set[str]]] = {
    ("account", "account_id"): ("[account]", '[account]\naccount_id = "123456789012"', {"provider:aws"}),
    ("account", "service_linked_roles"): (
        "[account]",
        '[account]\nservice_linked_roles = ["batch.amazonaws.com"]',
        {"aws_iam_service_linked_role:ServiceRole-ecs", "aws_iam_service_linked_role:ServiceRole-spot"},
    ),
    ("github", "repository"): ("lab/dropbatch", "lab/other", TRUSTS),
    ("github", "owner_id"): ('"12"', '"13"', TRUSTS),
    ("github", "repository_id"): ('"345"', '"346"', TRUSTS),
    ("github", "branch"): ("[github]", '[github]\nbranch = "next"', {"aws_iam_role:Github_Plan_Role"}),
    ("github", "environments"): (
        '["dev"]',
        '["dev", "prod"]',
        {
            "aws_iam_policy:Github_Boundary-prod_Policy",
            "aws_iam_role:Github_Deploy-prod_Role",
            "aws_iam_role_policy:Github_Deploy-prod_Grants",
            "aws_iam_policy:Github_Network-prod",
            "aws_iam_role_policy_attachment:Github_Deploy-prod-Look",
            "aws_iam_role_policy_attachment:Github_Deploy-prod-Network",
            "output:deploy_role_prod",
            "output:boundary_prod",
        },
    ),
    ("github", "create_provider"): (
        "[github]",
        "[github]\ncreate_provider = false",
        {"aws_iam_openid_connect_provider:*", *TRUSTS},
    ),
    ("github", "buckets"): ("[github]", '[github]\nbuckets = ["labdata"]', BOUNDARY),
    ("github", "repositories"): (
        "[github]",
        '[github]\nrepositories = ["arn:aws:ecr:*:222222222222:repository/lab/*"]',
        BOUNDARY,
    ),
    ("github", "secrets"): ("[github]", '[github]\nsecrets = ["arn:aws:ssm:*:*:parameter/lab/*"]', BOUNDARY),
}
EVERYTHING = {("account", "region")}  # changes


def stack_of(text: str) -> Stack:
    from cdktf import Testing  # noqa: PLC0415

    settings = Bootstrap.model_validate(tomllib.loads(text))
    stack = BootstrapStack(Testing.app(), "bootstrap", BootstrapStackProps(settings=settings))
    return Stack(json.loads(Testing.synth(stack)))


@pytest.fixture(scope="module")
def base() -> Stack:
    return stack_of(BASE)


@pytest.mark.parametrize("key", CASES)
def test_a_setting_changes_the_expected_resources_only(base: Stack, key: tuple[str, str]) -> None:
    old, new, expected = CASES[key]

    changed = difference(base, stack_of(BASE.replace(old, new, 1)))

    unexpected = {name for name in changed if not any(fnmatch(name, pattern) for pattern in expected)}
    unchanged = {pattern for pattern in expected if not any(fnmatch(name, pattern) for name in changed)}
    assert (unexpected, unchanged) == (set(), set())


def test_without_github_there_are_no_roles_for_it(base: Stack) -> None:
    changed = difference(base, stack_of(BASE.partition("[github]")[0]))

    kinds = ("aws_iam_openid_connect_provider", "aws_iam_policy", "aws_iam_role", "output")
    assert changed
    assert all(name.startswith(kinds) for name in changed)


def test_every_setting_is_in_the_table() -> None:
    for table, model in (("account", AccountSettings), ("github", GithubSettings)):
        known = {key for name, key in CASES.keys() | EVERYTHING if name == table}
        assert set(model.model_fields) == known, table
