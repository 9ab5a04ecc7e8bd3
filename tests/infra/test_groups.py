"""Rights of group members, who the members are, and the changes when groups and users are added or removed."""

import itertools
import json
import re
from typing import Any

import pytest

from tests.constructs_lib.synthesis import Stack
from tests.infra.plans import BASE, difference, stack_of
from tests.project import ROOT

INPUTS, OUTPUTS = "aws_s3_bucket.Inputs_Bucket", "aws_s3_bucket.Outputs_Bucket"
MANAGED_POLICY_CHARACTERS = 6144
TRUST_POLICY_CHARACTERS = 2048


@pytest.fixture(scope="module")
def full() -> Stack:
    return stack_of((ROOT / "tests/infra/full.toml").read_text(), "full")


def rights(stack: Stack, group: str) -> list[dict[str, Any]]:
    document = stack.one("aws_iam_policy", name=f"dropbatch-full-{group}")["policy"]
    found: list[dict[str, Any]] = json.loads(document)["Statement"]
    return found


def test_members_have_exactly_these_rights(full: Stack) -> None:
    found = {action for each in rights(full, "lab") for action in each["Action"]}

    assert found == {
        *("s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"),
        *("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
        *("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"),
        *("kms:Decrypt", "kms:GenerateDataKey"),  # the buckets of this environment have a customer's key
        *("logs:GetLogEvents", "ssm:GetParameter"),
    }


def test_members_reach_their_own_and_shared_folders(full: Stack) -> None:
    objects = {
        (action, resource.partition("/")[2])
        for each in rights(full, "hub")
        for action in each["Action"]
        for resource in each["Resource"]
        if action in {"s3:GetObject", "s3:PutObject"}
    }

    assert objects == {
        ("s3:GetObject", "hub/*"),
        ("s3:GetObject", "shared/references/*"),
        ("s3:PutObject", "hub/*"),
    }
    lists = [each["Condition"] for each in rights(full, "hub") if "s3:ListBucket" in each["Action"]]
    assert lists == [
        {"StringLike": {"s3:prefix": ["hub/*", "shared/references/*"]}},
        {"StringLike": {"s3:prefix": ["hub/*"]}},
    ]


def test_the_largest_settings_fit_into_the_policies() -> None:
    prefixes = [f"shared/{number:02}{30 * 'x'}/" for number in range(20)]
    members = [f"arn:aws:iam::{number:012}:user/{45 * 'x'}" for number in range(15)]
    assert (sum(map(len, prefixes)), sum(map(len, members)) + 15 * (32 + 3)) == (800, 1665)
    bucket = f"dropbatch-environment1-output-{26 * '0'}"
    key = "arn:aws:kms:ap-southeast-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"

    stack = stack_of(f'[storage]\nkms_key_arn = "{key}"\n{BASE}\n[group.lab]\n{members=}\nread_{prefixes=}\n')

    def sized(text: str) -> int:
        text = re.sub(r"\$\{aws_s3_bucket[^}]*\}", f"arn:aws:s3:::{bucket}", text)
        return len(re.sub(r"\$\{[^}]*\}", 90 * "x", text))

    rights = sized(stack.one("aws_iam_policy", name="dropbatch-lab1-lab")["policy"])
    trust = sized(stack.one("aws_iam_role", name="dropbatch-lab1-lab.members")["assume_role_policy"])
    assert rights < MANAGED_POLICY_CHARACTERS
    assert trust < TRUST_POLICY_CHARACTERS


def test_the_role_is_for_named_members_of_any_account(full: Stack) -> None:
    (trust,) = json.loads(full.one("aws_iam_role", name="dropbatch-full-lab.members")["assume_role_policy"])[
        "Statement"
    ]

    assert trust["Principal"] == {"AWS": ["arn:aws:iam::000000000000:root", "arn:aws:iam::111111111111:root"]}
    assert trust["Condition"] == {
        "ArnLike": {
            "aws:PrincipalArn": [
                "arn:aws:iam::000000000000:role/staff",
                "arn:aws:iam::111111111111:role/aws-reserved/*/AWSReservedSSO_lab_*",
            ]
        }
    }
    assert not [role for role in full.resources("aws_iam_role") if role["name"] == "dropbatch-full-hub.members"]


def test_users_have_the_rights_of_their_groups_and_no_key(full: Stack) -> None:
    assert [user["name"] for user in full.resources("aws_iam_user")] == ["dropbatch-full-anna", "dropbatch-full-ben.ng"]
    assert len(full.resources("aws_iam_user_policy_attachment")) == 2
    assert not {kind for kind in full.types() if "key" in kind or "login" in kind or kind == "aws_iam_group"}


def test_a_group_has_jobs_of_its_pipelines_and_reads_shared_folders(full: Stack) -> None:
    names = {each["name"] for each in full.resources("aws_batch_job_definition")}
    assert names == {"dropbatch-full-fold-hub", "dropbatch-full-fold-lab", "dropbatch-full-wordcount-lab"}

    read = next(each for each in full.rights("dropbatch-full-fold-hub") if each["Sid"] == "ReadInputs")
    assert [resource.partition("/")[2] for resource in read["Resource"]] == [
        *("hub/fold/*", "hub/inputs/*", "hub/configs/*", "shared/references/*")
    ]


def test_more_weight_gives_a_lower_share_factor(full: Stack) -> None:
    for policy in full.resources("aws_batch_scheduling_policy"):
        shares = policy["fair_share_policy"]["share_distribution"]
        assert {each["share_identifier"]: each["weight_factor"] for each in shares} == {"hub": 1, "lab": 0.3333}


def test_each_person_gets_the_mails_of_their_groups_by_one_subscription(full: Stack) -> None:
    found = {
        each["endpoint"]: json.loads(each["filter_policy"])
        for each in full.resources("aws_sns_topic_subscription")
        if "filter_policy" in each
    }

    assert found == {"both@example.org": {"group": ["hub", "lab"]}, "pi@example.org": {"group": ["lab"]}}


GROUPS = f"{BASE}\n[group.lab]\n"
FUNCTIONS = {
    *("aws_lambda_function:Functions_Arrival_Function", "aws_lambda_function:Functions_RunEvents_Function"),
    "aws_lambda_function:Functions_SpendGuard_Function",
}
SHARED_BY_GROUPS = {
    *FUNCTIONS,
    "aws_ssm_parameter:Pointers_Parameter",
    "aws_batch_scheduling_policy:Pool-spot_FairShare",
    "aws_batch_scheduling_policy:Pool-other_FairShare",
}


def jobs_of(group: str, *pipelines: str) -> set[str]:
    return {
        f"{kind}:Pipeline-{pipeline}_{group}_{part}"
        for pipeline in pipelines
        for kind, part in (
            ("aws_batch_job_definition", "Definition"),
            ("aws_iam_role", "Role"),
            ("aws_iam_role_policy", "Role_Grants"),
        )
    }


def test_adding_or_removing_a_group_changes_its_own_resources_and_the_lists_of_groups() -> None:
    before = stack_of(GROUPS)
    after = stack_of(f'{GROUPS}[group.hub]\npipelines = ["count"]\nusers = ["anna"]\n')

    # A declared group `lab` is the same as no declared group.
    assert difference(stack_of(BASE), before) == set()
    assert (
        difference(before, after)
        == difference(after, before)
        == {
            *SHARED_BY_GROUPS,
            *jobs_of("Hub", "count"),
            "aws_iam_policy:Group-hub_Policy",
            "aws_iam_user:User-anna_User",
            "aws_iam_user_policy_attachment:User-anna_Member-hub",
        }
    )


def test_adding_or_removing_a_user_changes_no_other_user() -> None:
    one = stack_of(f'{GROUPS}users = ["anna"]\n')
    two = stack_of(f'{GROUPS}users = ["anna", "ben"]\n')

    assert difference(one, two) == {
        "aws_iam_user:User-ben_User",
        "aws_iam_user_policy_attachment:User-ben_Member-lab",
    }


def test_withdrawing_a_pipeline_from_a_group_removes_its_job_definition() -> None:
    less = stack_of(f'{GROUPS}pipelines = ["other"]\n')

    assert difference(stack_of(GROUPS), less) == {*FUNCTIONS, *jobs_of("Lab", "count")}


def test_no_change_of_groups_replaces_or_removes_data() -> None:
    stacks = [stack_of(text) for text in (BASE, f"{BASE}\n[group.hub]\n", f"{GROUPS}[group.hub]\n")]
    for one, other in itertools.pairwise(stacks):
        changed = difference(one, other)
        assert not [name for name in changed if name.startswith(("aws_s3_bucket", "aws_dynamodb", "aws_ecr"))]
