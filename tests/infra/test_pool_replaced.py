"""A pool whose compute environment has to be replaced, below the queue that uses it: applied, not only planned."""

import base64
import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.errors import TerraformError
from dropbatch.sandbox.terraform import Terraform
from tests.infra.plans import BASE, stack_of
from tests.sandbox.batch_stack import BatchStack, Client

Json = dict[str, Any]
Applied = Callable[[Json], None]
QUEUE = "dropbatch-lab1-spot"


@pytest.fixture(scope="module")
def pool() -> Json:
    """What of an environment's stack a pool's queue needs, and nothing else."""
    body = stack_of(BASE).body
    resources = {f"{type_}.{name}": (type_, name) for type_, found in body["resource"].items() for name in found}
    needed, new = set[str](), {each for each in resources if each.startswith("aws_batch_job_queue.Pool-spot")}
    while new:
        needed |= new
        texts = [json.dumps(body["resource"][type_][name]) for type_, name in map(resources.__getitem__, new)]
        new = {each for each in resources.keys() - needed if any(re.search(rf"\b{each}\b", text) for text in texts)}
    found: Json = {}
    for each in needed - {name for name in needed if name.startswith("terraform_data.")}:
        type_, name = resources[each]
        resource = copy.deepcopy(body["resource"][type_][name])
        resource["depends_on"] = [
            other for other in resource.get("depends_on", []) if not other.startswith("terraform_")
        ]
        found.setdefault(type_, {})[name] = resource
    return {"terraform": body["terraform"], "provider": body["provider"], "data": body["data"], "resource": found}


@pytest.fixture
def applied(sandbox: Sandbox, tmp_path: Path) -> Applied:
    def apply(stack: Json) -> None:
        folder = tmp_path / "cdktf.out" / "stacks" / "lab1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cdk.tf.json").write_text(json.dumps(stack))
        Terraform(tmp_path, "lab1", sandbox.environ()).apply()

    return apply


def replaced(pool: Json, prefix: str, **lifecycle: bool) -> Json:
    """The pool with a compute environment that cannot be changed to what it shall be."""
    changed = copy.deepcopy(pool)
    (environment,) = changed["resource"]["aws_batch_compute_environment"].values()
    environment["compute_environment_name_prefix"] = prefix
    environment["lifecycle"] |= lifecycle
    return changed


def set_up_otherwise(pool: Json) -> Json:
    """The pool with machines that do something else when they start."""
    changed = copy.deepcopy(pool)
    (template,) = changed["resource"]["aws_launch_template"].values()
    template["user_data"] = base64.b64encode(b"#!/bin/sh\n").decode()
    return changed


@pytest.mark.e2e
def test_a_compute_environment_is_replaced_below_its_queue_and_jobs_run_on_the_new_one(
    pool: Json, applied: Applied, sandbox: Sandbox, aws: Client
) -> None:
    jobs, batch = BatchStack(sandbox, aws), aws("batch")

    def environments() -> list[str]:
        found = batch.describe_compute_environments()["computeEnvironments"]
        return [each["computeEnvironmentName"] for each in found if "lab1" in each["computeEnvironmentName"]]

    # Given a pool
    applied(pool)
    (before,) = environments()

    # When its machines are set up otherwise, then it stays, and takes the new version of their template
    applied(set_up_otherwise(pool))
    assert environments() == [before]
    (found,) = batch.describe_compute_environments(computeEnvironments=[before])["computeEnvironments"]
    assert found["computeResources"]["launchTemplate"]["version"] == "2"

    # When its compute environment is replaced
    applied(replaced(pool, "dropbatch-lab1-other-"))

    # Then the queue goes on with the new one, and the old one is gone
    (after,) = environments()
    assert (before.startswith("dropbatch-lab1-spot-"), after.startswith("dropbatch-lab1-other-")) == (True, True)
    (queue,) = batch.describe_job_queues(jobQueues=[QUEUE])["jobQueues"]
    assert (queue["status"], queue["state"]) == ("VALID", "ENABLED")
    assert [each["computeEnvironment"].rpartition("/")[2] for each in queue["computeEnvironmentOrder"]] == [after]
    job = batch.submit_job(
        jobName="job",
        jobQueue=QUEUE,
        jobDefinition=jobs.definition,
        shareIdentifier="lab",
        schedulingPriorityOverride=0,
        containerOverrides={"command": ["true"]},
    )["jobId"]
    assert jobs.until(job, "SUCCEEDED", "FAILED")["status"] == "SUCCEEDED"

    # And destroyed first, as Terraform does by default, it could not be
    with pytest.raises(TerraformError, match="found existing JobQueue relationship"):
        applied(replaced(pool, "dropbatch-lab1-third-", create_before_destroy=False))
    assert environments() == [after]
