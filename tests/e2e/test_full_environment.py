"""An environment with every setting of infrastructure away from its default, applied, changed and destroyed."""

import shutil
from typing import Any

import pytest

from tests.e2e.lab import Lab
from tests.e2e.remains import remains
from tests.project import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

# MiniStack tells these two otherwise than it was told them.
EMULATOR = ("aws_flow_log.", "aws_vpc_security_group_egress_rule.")


def test_all_settings_at_once_are_applied_changed_and_destroyed(lab: Lab) -> None:
    file = lab.root / "environments" / "full.toml"
    shutil.copy(ROOT / "tests" / "infra" / "full.toml", file)
    try:
        # Given an environment that has everything
        lab.synthesize()
        terraform = lab.terraform("full")
        terraform.apply()
        assert [each for each in terraform.plan().changes if not each.address.startswith(EMULATOR)] == []

        # When a pool is changed in all that Batch takes a change of, below a queue that uses it
        before = pools(lab)
        text = (
            file.read_text().replace('kind = "spot"', 'kind = "on_demand"').replace("max_vcpus = 8", "max_vcpus = 12")
        )
        text = text.replace('["m6i.large", "c6i"]', '["m5"]').replace("root_gib = 60", "root_gib = 70")
        file.write_text(text.replace('ami = "ami-0123456789abcdef0"\n', "").replace("scratch_gib = 100\n", ""))
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
    assert remains(lab, "full") == []


def pools(lab: Lab) -> dict[str, Any]:
    """What the queue ``spot`` of the environment runs on."""
    batch = lab.client("batch")
    (queue,) = batch.describe_job_queues(jobQueues=["dropbatch-full-spot"])["jobQueues"]
    (order,) = queue["computeEnvironmentOrder"]
    (found,) = batch.describe_compute_environments(computeEnvironments=[order["computeEnvironment"]])[
        "computeEnvironments"
    ]
    assert queue["status"] == found["status"] == "VALID"
    return dict(found["computeResources"])
