"""The stack in Terraform: valid, without drift, updated when its sources change, deleted by destroy."""

import pytest

from tests.e2e.lab import STATE_BUCKET, Lab
from tests.e2e.remaining_resources import SERVICES, remaining_resources

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_every_other_environment_is_valid_and_plans(lab: Lab, environment: str) -> None:
    plan = lab.terraform(environment, role="plan").plan()  # Terraform validates before it plans

    assert plan.changes
    assert {action for change in plan.changes for action in change.actions} == {"create"}


@pytest.mark.parametrize("stack", ["sandbox", "bootstrap"])
def test_a_plan_after_the_apply_is_empty(lab: Lab, stack: str) -> None:
    plan = lab.terraform(stack, role="plan").plan()

    assert (plan.changed, plan.changes) == (False, ())


@pytest.mark.last
def test_destroy_leaves_nothing(lab: Lab) -> None:
    kinds = {each.split()[0] for each in remaining_resources(lab, "sandbox")}
    assert kinds == SERVICES, "some services are not looked at, or not used"

    lab.terraform().destroy()

    assert lab.terraform().state_file.exists()
    assert remaining_resources(lab, "sandbox") == []
    assert [bucket["Name"] for bucket in lab.s3.list_buckets()["Buckets"]] == [STATE_BUCKET]
