"""An environment in which no infrastructure setting has its default value.

The plan role plans it; its deploy role applies, changes and destroys it, with the boundary on everything it creates.
"""

import shutil
from typing import Any

import pytest

from tests.authorization_reference import unknown_checks
from tests.e2e import github
from tests.e2e.lab import Lab
from tests.e2e.remaining_resources import remaining_resources
from tests.project import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

# MiniStack returns these two with other values than it received.
EMULATOR = ("aws_flow_log.", "aws_vpc_security_group_egress_rule.")

CHANGES = {
    'kind = "spot"': 'kind = "on_demand"',
    "max_vcpus = 8": "max_vcpus = 12",
    '["m6i.large", "c6i"]': '["m5"]',
    "root_gib = 60": "root_gib = 70",
    'ami = "ami-0123456789abcdef0"\n': "",
    "scratch_gib = 100\n": "",
    "monthly_usd = 50": "monthly_usd = 60",
    'nat = "per_zone"\negress = "all"\nflow_logs = true': "",
    "log_retention_days = 30\noldest_message_minutes = 10": "log_retention_days = 60\noldest_message_minutes = 20",
    "archive_results_days = 30": "archive_results_days = 40",
    'users = ["anna", "ben.ng"]': 'users = ["anna"]',
    "memory_mib = 512": "memory_mib = 600",
}
"""Changes after the first apply: texts of ``full.toml`` and their replacements."""


def test_all_settings_at_once_are_applied_changed_and_destroyed(lab: Lab) -> None:
    file = lab.root / "environments" / "full.toml"
    text = (ROOT / "tests" / "infra" / "full.toml").read_text()
    file.write_text(text.replace('name = "full"', 'name = "full"\npermissions_boundary = "dropbatch-boundary-full"', 1))
    try:
        # Given an environment that has everything
        lab.synthesize()
        terraform = lab.terraform("full")
        terraform.apply()
        terraform = lab.terraform("full", role="plan")
        assert [each for each in terraform.plan().changes if not each.address.startswith(EMULATOR)] == []

        # When a pool is changed in all that Batch takes a change of, below a queue that uses it, and much else besides
        before = pools(lab)
        text = file.read_text()
        for old, new in CHANGES.items():
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)
        lab.synthesize()
        terraform = lab.terraform("full")
        terraform.apply()

        # Then it is changed, in place, and the queue goes on with it
        after = pools(lab)
        assert after["type"] == "EC2"
        assert (after["instanceTypes"], after["maxvCpus"]) == (["m5"], 12)
        assert after["launchTemplate"]["version"] != before["launchTemplate"]["version"]
        assert [each for each in terraform.plan().changes if not each.address.startswith(EMULATOR)] == []
    finally:
        lab.terraform("full").destroy()
        file.unlink()
        shutil.rmtree(lab.root / "cdktf.out" / "stacks" / "full")
    assert remaining_resources(lab, "full") == []
    # And IAM checked the deploy roles for the same actions as AWS's IAM
    uses = [each for each in lab.sandbox.control({"grants": True})["uses"] if each[0] in github.SUBJECTS]
    assert {action for _, action, _ in uses} >= {"lambda:DeleteEventSourceMapping", "ec2:CreateFlowLogs"}
    assert unknown_checks(uses) == set()


def pools(lab: Lab) -> dict[str, Any]:
    """Return the compute environments of the environment's queue ``spot``."""
    batch = lab.client("batch")
    (queue,) = batch.describe_job_queues(jobQueues=["dropbatch-full-spot"])["jobQueues"]
    (order,) = queue["computeEnvironmentOrder"]
    (found,) = batch.describe_compute_environments(computeEnvironments=[order["computeEnvironment"]])[
        "computeEnvironments"
    ]
    assert queue["status"] == found["status"] == "VALID"
    return dict(found["computeResources"])
