"""Change the machines of a pool under running jobs; Terraform and ``make patch`` run ``python3 -m dropbatch.machines``.

Batch replaces the machines of a compute environment by itself ("infrastructure update"): new jobs get new machines, and
jobs that run keep theirs until they end, or for `MINUTES`. Terraform's provider cannot ask for that: it allows six
hours, waits 20 minutes for the end, and fails. So Terraform makes the environment, and this changes it
(docs/adr/0039-machines-change-under-running-jobs.md).
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from dropbatch.contract.deployment import resource_name

__all__ = ["MINUTES", "VARIABLE", "MachinesError", "await_profile", "change", "main", "patch"]

VARIABLE = "DROPBATCH_MACHINES"
"""Variable with what `change` needs, as JSON: ``{"environment": ARN, "resources": {…}}``, the resources as Batch names
them in UpdateComputeEnvironment."""

MINUTES = 7200
"""How long a job may go on on an old machine. AWS's maximum, five days.
https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html"""

_PROFILE_SECONDS = 15.0
"""How old an instance profile must be before Batch uses it. IAM is eventually consistent and names no time
(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency)."""

_SETS = {"instanceTypes", "subnets", "securityGroupIds"}


class MachinesError(Exception):
    """The machines could not be changed. The message is one line and names the fix."""


def change(batch: Any, environment: str, wanted: Mapping[str, Any]) -> list[str]:
    """Give the compute environment these resources; returns the names of those that differed.

    Jobs that run go on. Returns without waiting for them.

    Raises:
        MachinesError: AWS refused.
    """
    found = batch.describe_compute_environments(computeEnvironments=[environment])["computeEnvironments"]
    if not found:
        raise MachinesError(f"{environment} does not exist: deploy again")
    now = found[0]["computeResources"]
    differing = {key: each for key, each in wanted.items() if _comparable(key, each) != _comparable(key, now.get(key))}
    if differing:
        _replace(batch, found[0]["computeEnvironmentName"], differing)
    return sorted(differing)


def patch(batch: Any, queue: str) -> str | None:
    """Replace the machines of a job queue by such with Batch's newest image.

    Returns a machine image of the lab's own, if the pool has one: then nothing is changed.

    Raises:
        MachinesError: there is no such queue, or AWS refused.
    """
    queues = batch.describe_job_queues(jobQueues=[queue])["jobQueues"]
    if not queues:
        raise MachinesError(f"there is no job queue {queue}: deploy the environment first")
    arn = queues[0]["computeEnvironmentOrder"][0]["computeEnvironment"]
    (found,) = batch.describe_compute_environments(computeEnvironments=[arn])["computeEnvironments"]
    own = next((each.get("imageIdOverride") for each in found["computeResources"].get("ec2Configuration") or []), None)
    if own is None:
        _replace(batch, found["computeEnvironmentName"], {})
    return own


def _replace(batch: Any, name: str, resources: Mapping[str, Any]) -> None:
    from botocore.exceptions import ClientError  # heavy, and needed here only  # noqa: PLC0415

    try:
        batch.update_compute_environment(
            computeEnvironment=name,
            # Without, Batch keeps the image of the day on which the environment was made.
            computeResources={**resources, "updateToLatestImageVersion": True},
            updatePolicy={"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": MINUTES},
        )
    except ClientError as error:
        raise MachinesError(
            f"the machines of {name} cannot be changed: {error}: if jobs still run on machines of the last change "
            "(status UPDATING), deploy again when they have ended"
        ) from error


def _comparable(key: str, value: Any) -> Any:
    if key in _SETS:
        return sorted(value or [])
    if key == "ec2Configuration":
        return [{name: each[name] for name in ("imageType", "imageIdOverride") if each.get(name)} for each in value]
    if key == "launchTemplate":
        return {name: value[name] for name in ("launchTemplateId", "version")}
    return value


def await_profile(iam: Any, name: str, sleep: Callable[[float], None] = time.sleep) -> float:
    """Wait until an instance profile is old enough to be known everywhere; returns the seconds.

    Batch checks the profile when an environment is made, which otherwise ends INVALID ("Invalid IamInstanceProfile").
    Terraform's provider repeats other calls for that reason, and this one not
    (https://github.com/hashicorp/terraform-provider-aws/issues/37945).
    """
    created: datetime = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["CreateDate"]
    seconds = max(0.0, _PROFILE_SECONDS - (datetime.now(UTC) - created).total_seconds())
    seconds = min(seconds, _PROFILE_SECONDS)  # whatever this machine's clock says
    sleep(seconds)
    return seconds


def _client(service: str, region: str) -> Any:
    import boto3  # heavy, and needed here only  # noqa: PLC0415

    # Any service by name: boto3's types know only names written out.
    make: Any = boto3.client
    return make(service, region_name=region)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """``change``, ``patch --environment E --pool P…`` or ``await-profile --profile NAME``, each with ``--region R``."""
    parser = _Parser(prog="python3 -m dropbatch.machines", description="Change the machines of a pool.")
    parser.add_argument("action", choices=["change", "patch", "await-profile"])
    parser.add_argument("--region", required=True)
    parser.add_argument("--environment", help="whose pools are patched")
    parser.add_argument("--pool", action="append", default=[], help="a pool that is patched")
    parser.add_argument("--profile", help="name of an instance profile")
    options = parser.parse_args(argv)
    if options.action == "patch":
        return _patch(_client("batch", options.region), options.environment, options.pool)
    if options.action == "change":
        return _change(_client("batch", options.region), env[VARIABLE])
    if not env.get("DROPBATCH_SANDBOX_DIR"):  # consistent at once
        await_profile(_client("iam", options.region), options.profile)
    return 0


def _change(batch: Any, text: str) -> int:
    given = json.loads(text)
    template = given["resources"]["launchTemplate"]
    template["version"] = str(template["version"])  # Terraform has it as a number
    try:
        changed = change(batch, given["environment"], given["resources"])
    except MachinesError as error:
        return _failed(error)
    if changed:
        name = given["environment"].rpartition("/")[2]
        print(f"{name}: new jobs get new machines ({', '.join(changed)}); running jobs keep theirs")
    return 0


def _patch(batch: Any, environment: str, pools: Sequence[str]) -> int:
    code = 0
    for pool in pools:
        try:
            own = patch(batch, resource_name(environment, pool))
        except MachinesError as error:
            code = _failed(error)
            continue
        if own is None:
            print(f"{pool}: new jobs get machines with the newest image; running jobs keep theirs")
        else:
            print(f"{pool}: has an image of your own, {own}: build a newer one, set ami to it and deploy")
    return code


def _failed(error: MachinesError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
