"""A pool is changed while a long job runs on it: applied by the real Terraform, not only planned."""

import base64
import copy
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.errors import TerraformError
from dropbatch.sandbox.terraform import Terraform
from tests.infra.plans import BASE, stack_of
from tests.project import ROOT
from tests.sandbox.batch_stack import BatchStack, Client

Json = dict[str, Any]
Applied = Callable[..., None]
QUEUE = "dropbatch-lab1-spot"


@pytest.fixture(scope="module")
def pool() -> Json:
    """Return the part of an environment's stack that a pool's queue needs."""
    body = stack_of(BASE).body
    resources = {f"{type_}.{name}": (type_, name) for type_, found in body["resource"].items() for name in found}
    needed, new = set[str](), {each for each in resources if each.startswith("aws_batch_job_queue.Pool-spot")}
    while new:
        needed |= new
        texts = [json.dumps(body["resource"][type_][name]) for type_, name in map(resources.__getitem__, new)]
        new = {each for each in resources.keys() - needed if any(re.search(rf"\b{each}\b", text) for text in texts)}
    changes = {each for each in resources if re.match(r"terraform_data\.Pool-spot_Change", each)}
    found: Json = {}
    for each in changes | (needed - {name for name in needed if name.startswith("terraform_data.")}):
        type_, name = resources[each]
        resource = copy.deepcopy(body["resource"][type_][name])
        resource["depends_on"] = [
            other for other in resource.get("depends_on", []) if not other.startswith("terraform_")
        ]
        found.setdefault(type_, {})[name] = resource
    return {"terraform": body["terraform"], "provider": body["provider"], "data": body["data"], "resource": found}


@pytest.fixture
def applied(sandbox: Sandbox, tmp_path: Path) -> Applied:
    """Apply a stack if the plan changes only resources of these types."""
    (tmp_path / "dropbatch").symlink_to(ROOT / "dropbatch")
    (tmp_path / ".venv").symlink_to(sys.prefix)

    def apply(stack: Json, *expected: str) -> None:
        folder = tmp_path / "cdktf.out" / "stacks" / "lab1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cdk.tf.json").write_text(json.dumps(stack))
        terraform = Terraform(tmp_path, "lab1", sandbox.environ())
        terraform.init()
        if expected:
            assert sorted(each.address.partition(".")[0] for each in terraform.plan().changes) == sorted(expected)
        terraform.apply()

    return apply


def replaced(pool: Json, prefix: str, **lifecycle: bool) -> Json:
    """Return the pool with a compute environment that cannot be changed in place."""
    changed = copy.deepcopy(pool)
    (environment,) = changed["resource"]["aws_batch_compute_environment"].values()
    environment["compute_environment_name_prefix"] = prefix
    environment["lifecycle"] |= lifecycle
    return changed


def set_up_otherwise(pool: Json) -> Json:
    """Return the pool with other machines and another start script."""
    changed = copy.deepcopy(pool)
    (template,) = changed["resource"]["aws_launch_template"].values()
    template["user_data"] = base64.b64encode(b"#!/bin/sh\n").decode()
    (environment,) = changed["resource"]["aws_batch_compute_environment"].values()
    (command,) = changed["resource"]["terraform_data"].values()
    environment["compute_resources"]["instance_type"] = ["c7i"]
    command["triggers_replace"]["resources"]["instanceTypes"] = ["c7i"]
    return changed


def shared_otherwise(pool: Json) -> Json:
    """Return the pool with another share decay."""
    changed = copy.deepcopy(pool)
    (policy,) = changed["resource"]["aws_batch_scheduling_policy"].values()
    policy["fair_share_policy"]["share_decay_seconds"] = 1800
    return changed


@pytest.mark.e2e
def test_a_pool_changed_under_a_long_job_loses_nothing(
    pool: Json, applied: Applied, sandbox: Sandbox, aws: Client, tmp_path: Path
) -> None:
    jobs, batch = BatchStack(sandbox, aws), aws("batch")

    def environments() -> list[Json]:
        found = batch.describe_compute_environments()["computeEnvironments"]
        return [each for each in found if "lab1" in each["computeEnvironmentName"]]

    def submit(*command: str) -> str:
        job = batch.submit_job(
            jobName="job",
            jobQueue=QUEUE,
            jobDefinition=jobs.definition,
            shareIdentifier="lab",
            schedulingPriorityOverride=1,
            containerOverrides={"command": list(command)},
        )
        return str(job["jobId"])

    # Given a pool, and a job on it that takes its time
    applied(pool)
    (before,) = environments()
    end = tmp_path / "end"
    jobs.program("until", f"#!/bin/sh\nuntil [ -e {end} ]; do sleep 0.1; done\n")
    long = submit("until")
    jobs.until(long, "RUNNING")

    # When its machines shall be others, then the deploy ends while the job goes on
    applied(set_up_otherwise(pool), "aws_launch_template", "terraform_data")
    (found,) = environments()
    assert found["computeEnvironmentArn"] == before["computeEnvironmentArn"]
    assert (found["status"], jobs.job(long)["status"]) == ("UPDATING", "RUNNING")
    assert (found["computeResources"]["launchTemplate"]["version"], found["computeResources"]["instanceTypes"]) == (
        "2",
        ["c7i"],
    )
    assert found["updatePolicy"] == {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 7200}

    # And the next change affects its own resources only, new jobs start, and the long one ends on its first try
    applied(shared_otherwise(set_up_otherwise(pool)), "aws_batch_scheduling_policy")
    assert jobs.until(submit("true"), "SUCCEEDED", "FAILED")["status"] == "SUCCEEDED"
    assert jobs.job(long)["status"] == "RUNNING"
    end.touch()
    ended = jobs.until(long, "SUCCEEDED", "FAILED")
    assert (ended["status"], len(ended["attempts"])) == ("SUCCEEDED", 1)
    assert environments()[0]["status"] == "VALID"

    # When the compute environment itself is replaced, then the queue goes on with the new one, and the old one is gone
    applied(replaced(set_up_otherwise(pool), "dropbatch-lab1-other-"))
    (after,) = (each["computeEnvironmentName"] for each in environments())
    assert after.startswith("dropbatch-lab1-other-")
    (queue,) = batch.describe_job_queues(jobQueues=[QUEUE])["jobQueues"]
    assert (queue["status"], queue["state"]) == ("VALID", "ENABLED")
    assert [each["computeEnvironment"].rpartition("/")[2] for each in queue["computeEnvironmentOrder"]] == [after]
    assert jobs.until(submit("true"), "SUCCEEDED", "FAILED")["status"] == "SUCCEEDED"

    # And destroyed first, as Terraform does by default, it could not be
    with pytest.raises(TerraformError, match="found existing JobQueue relationship"):
        applied(replaced(set_up_otherwise(pool), "dropbatch-lab1-third-", create_before_destroy=False))
    assert [each["computeEnvironmentName"] for each in environments()] == [after]
