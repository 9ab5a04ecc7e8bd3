"""Checks of the account, against answers in AWS's own shapes."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from dropbatch.cli.doctor import Outcome, account, examine
from dropbatch.settings import instances
from dropbatch.settings.compute import _GENERAL
from tests.cli.doctor.stubs import GPU, ON_DEMAND, SPOT, Stubs

CREDENTIALS, REGION, ROLES, COST_TAG, QUOTAS = account.CHECKS
CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me", "UserId": "AIDA"}


def test_the_calling_identity_is_shown():
    (found,) = Stubs().answer("sts", "get_caller_identity", CALLER).look(CREDENTIALS)

    assert found.outcome is Outcome.OK
    assert found.text == "arn:aws:iam::123456789012:user/me, account 123456789012"


def test_missing_credentials_are_one_line_and_leave_the_rest_unknown():
    def no_client(*_: Any, **__: Any) -> Any:
        raise NoCredentialsError

    first, *rest = examine(account.CHECKS, Stubs().subject(client=no_client))

    assert first.outcome is Outcome.PROBLEM
    assert "aws sso login" in first.fix
    assert {(each.outcome, each.text) for each in rest} == {(Outcome.UNKNOWN, "needs credentials")}
    assert len(rest) == len(account.CHECKS) - 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("opt-in-not-required", Outcome.OK),
        ("opted-in", Outcome.OK),
        ("not-opted-in", Outcome.PROBLEM),
        ("new", Outcome.UNKNOWN),
    ],
)
def test_a_region_is_checked(status: str, outcome: Outcome):
    answer = {"Regions": [{"RegionName": "eu-central-1", "OptInStatus": status}]}

    (found,) = Stubs().answer("ec2", "describe_regions", answer).look(REGION)

    assert found.outcome is outcome


def test_service_linked_roles_are_checked():
    role = {"Role": {"Path": "/", "RoleName": "x", "RoleId": "A" * 16, "Arn": "a" * 20, "CreateDate": "2026-01-01"}}
    stubs = Stubs().answer("iam", "get_role", role, RoleName="AWSServiceRoleForBatch")
    stubs.fail("iam", "get_role", "NoSuchEntity").answer("iam", "get_role", role, RoleName="AWSServiceRoleForEC2Spot")

    found = stubs.look(ROLES)

    assert [each.outcome for each in found] == [Outcome.OK, Outcome.PROBLEM, Outcome.OK]
    assert "--aws-service-name ecs.amazonaws.com" in found[1].fix


def test_without_spot_its_service_linked_role_is_not_required():
    role = {"Role": {"Path": "/", "RoleName": "x", "RoleId": "A" * 16, "Arn": "a" * 20, "CreateDate": "2026-01-01"}}
    stubs = Stubs().answer("iam", "get_role", role).answer("iam", "get_role", role)

    assert len(stubs.look(ROLES, pools=[ON_DEMAND])) == 2


@pytest.mark.parametrize(
    ("tags", "outcome"),
    [
        ([{"TagKey": "research-stack-id", "Type": "UserDefined", "Status": "Active"}], Outcome.OK),
        ([{"TagKey": "research-stack-id", "Type": "UserDefined", "Status": "Inactive"}], Outcome.PROBLEM),
        ([], Outcome.PROBLEM),
    ],
)
def test_the_cost_tag_is_checked(tags: list[dict[str, str]], outcome: Outcome):
    stubs = Stubs().answer("ce", "list_cost_allocation_tags", {"CostAllocationTags": tags})

    (found,) = stubs.look(COST_TAG)

    assert found.outcome is outcome
    assert stubs.regions["ce"] == "us-east-1"


@pytest.mark.parametrize("check", [REGION, ROLES, COST_TAG, QUOTAS])
def test_a_denied_check_is_unknown(check: Any):
    service, method = {
        REGION: ("ec2", "describe_regions"),
        ROLES: ("iam", "get_role"),
        COST_TAG: ("ce", "list_cost_allocation_tags"),
        QUOTAS: ("service-quotas", "get_service_quota"),
    }[check]

    (found,) = Stubs().fail(service, method, "AccessDeniedException", "no such right").look(check)

    assert found.outcome is Outcome.UNKNOWN
    assert "not allowed: no such right" in found.text


def quota(value: float) -> dict[str, Any]:
    return {"Quota": {"Value": value}}


def test_quotas_are_checked_for_all_pools_of_a_kind_together():
    stubs = Stubs()
    for code, value in (("L-DB2E81BA", 0.0), ("L-1216C47A", 32.0), ("L-34B43A08", 64.0)):
        stubs.answer("service-quotas", "get_service_quota", quota(value), ServiceCode="ec2", QuotaCode=code)
    second = replace(ON_DEMAND, name="second", max_vcpus=20, instance_types=("r6i.large",))

    found = stubs.look(QUOTAS, pools=[SPOT, ON_DEMAND, second, GPU])

    assert [each.outcome for each in found] == [Outcome.PROBLEM, Outcome.PROBLEM, Outcome.OK]
    assert found[0].text == "G and VT (GPU) on-demand: the quota is 0 vCPUs, gpu may use 8"
    assert found[1].text == "standard on-demand: the quota is 32 vCPUs, ondemand, second may use 36"
    assert "L-1216C47A" in found[1].fix


def test_an_unchanged_quota_has_its_default():
    stubs = Stubs().fail("service-quotas", "get_service_quota", "NoSuchResourceException")
    stubs.answer("service-quotas", "get_aws_default_service_quota", quota(5))

    (found,) = stubs.look(QUOTAS, pools=[ON_DEMAND])

    assert found.text.startswith("standard on-demand: the quota is 5 vCPUs")


def test_a_quota_is_known_for_every_default_machine_and_every_gpu():
    kinds = {account._class_of(each.name) for each in instances.known() if each.gpus}
    kinds |= {account._class_of(name) for architecture in ("amd64", "arm64") for name in _GENERAL[architecture]}

    assert kinds <= {kind for kind, _ in account._QUOTAS}


def test_a_machine_without_a_known_quota_is_unknown():
    (found,) = Stubs().look(QUOTAS, pools=[replace(ON_DEMAND, instance_types=("hpc7a.12xlarge",))])

    assert found.outcome is Outcome.UNKNOWN
