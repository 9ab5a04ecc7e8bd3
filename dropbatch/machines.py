"""Replace machines of a pool while jobs run; Terraform and ``make patch`` run ``python3 -m dropbatch.machines``.

Batch can replace the machines of a compute environment ("infrastructure update"): new jobs get new machines, running
jobs keep theirs until they end, or for `MINUTES`. Terraform's provider cannot do that: it allows jobs six hours, waits
20 minutes for the update, and fails. So Terraform creates the compute environment, and this module changes it
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
"""Variable with the arguments of `change`, as JSON: ``{"environment": ARN, "resources": {…}}``, the resources as in
UpdateComputeEnvironment."""

MINUTES = 7200
"""How long a job may keep running on an old machine: five days, AWS's maximum.
https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html"""

_PROFILE_SECONDS = 15.0
"""Minimum age of an instance profile before Batch uses it. IAM is eventually consistent and documents no delay
(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency)."""

_SETS = {"instanceTypes", "subnets", "securityGroupIds"}


class MachinesError(Exception):
    """The machines could not be changed. The message is one line and names the fix."""


def change(batch: Any, environment: str, wanted: Mapping[str, Any]) -> list[str]:
    """Update the resources of a compute environment; return the names of those that changed.

    Running jobs continue, and are not waited for.

    Raises:
        MachinesError: the environment does not exist, or AWS refused the change.
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
    """Replace the machines of a job queue by machines with Batch's newest image.

    If the pool has a custom machine image, change nothing and return its id.

    Raises:
        MachinesError: the queue does not exist, or AWS refused the change.
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
    from botocore.exceptions import ClientError  # slow  # noqa: PLC0415

    try:
        batch.update_compute_environment(
            computeEnvironment=name,
            # Otherwise Batch keeps the image from the day on which the environment was created.
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
    """Wait until an instance profile is visible to all services; return the seconds waited.

    Batch checks the profile when a compute environment is created; if it is too new, the environment becomes INVALID
    ("Invalid IamInstanceProfile"). Terraform's provider retries other calls in that case, but not this one
    (https://github.com/hashicorp/terraform-provider-aws/issues/37945).
    """
    created: datetime = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["CreateDate"]
    seconds = max(0.0, _PROFILE_SECONDS - (datetime.now(UTC) - created).total_seconds())
    seconds = min(seconds, _PROFILE_SECONDS)  # in case this machine's clock is wrong
    sleep(seconds)
    return seconds


def _client(service: str, region: str) -> Any:
    import boto3  # slow  # noqa: PLC0415

    # boto3's types accept only literal names of services.
    make: Any = boto3.client
    return make(service, region_name=region)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run ``change``, ``patch --environment E --pool P…`` or ``await-profile --profile NAME``, with ``--region R``."""
    parser = _Parser(prog="python3 -m dropbatch.machines", description="Change the machines of a pool.")
    parser.add_argument("action", choices=["change", "patch", "await-profile"], help="what to do")
    parser.add_argument("--region", required=True, help="AWS region of the pool")
    parser.add_argument("--environment", help="environment of the pools to patch")
    parser.add_argument("--pool", action="append", default=[], help="pool to patch; may be repeated")
    parser.add_argument("--profile", help="name of the instance profile to wait for")
    options = parser.parse_args(argv)
    if options.action == "patch":
        return _patch(_client("batch", options.region), options.environment, options.pool)
    if options.action == "change":
        return _change(_client("batch", options.region), env[VARIABLE])
    if not env.get("DROPBATCH_SANDBOX_DIR"):  # the sandbox is consistent at once
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
            print(f"{pool}: has a custom image, {own}: build a newer one, set ami to it and deploy")
    return code


def _failed(error: MachinesError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
