"""Terminate the machine of a run, as a Spot interruption does: the EC2 instance, or the sandbox's `reclaim` fault."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from delivery.errors import DeliveryError

__all__ = ["take_away"]


def take_away(run: Mapping[str, Any], *, region: str, env: Mapping[str, str]) -> str:
    """Terminate the machine of a RUNNING run, and return its description."""
    if env.get("DROPBATCH_SANDBOX_DIR"):
        command = [sys.executable, "-m", "dropbatch.cli", "sandbox", "fault", "reclaim", "--job", run["job_id"]]
        return _call(command, env).strip()
    job = _aws(env, region, "batch", "describe-jobs", "--jobs", run["job_id"])["jobs"][0]
    machine = job["container"]["containerInstanceArn"]
    cluster = machine.split("/")[1]
    described = _aws(
        env, region, "ecs", "describe-container-instances", "--cluster", cluster, "--container-instances", machine
    )
    instance: str = described["containerInstances"][0]["ec2InstanceId"]
    _aws(env, region, "ec2", "terminate-instances", "--instance-ids", instance)
    return instance


def _aws(env: Mapping[str, str], region: str, *command: str) -> Any:
    return json.loads(_call(["aws", *command, "--region", region, "--output", "json"], env))


def _call(command: list[str], env: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeliveryError(f"`{' '.join(command[:3])}` failed: {done.stderr.strip()}")
    return done.stdout
