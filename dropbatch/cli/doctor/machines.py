"""Check that the machine images of pools exist, and are up to date."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from dropbatch.cli.doctor.findings import Check, Finding, ok, problem, unknown
from dropbatch.cli.doctor.subject import Subject
from dropbatch.cli.errors import in_words
from dropbatch.cli.text import age, counted

__all__ = ["BEFORE_DEPLOY", "DEPLOYED"]

_AMI = "ecs.ami-id"
"""Attribute that the ECS agent gives each machine.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-constraints.html"""
_MOST_MACHINES = 100  # maximum of DescribeContainerInstances
_GONE = "InvalidAMIID."
_Json = dict[str, Any]


def _deployed(subject: Subject) -> Iterator[Finding]:
    assert subject.description is not None  # noqa: S101 – only deployed environments are asked
    queues = subject.description.pools
    batch = subject.client("batch")
    found = batch.describe_job_queues(jobQueues=list(queues.values()))["jobQueues"] if queues else []
    arns = {each["jobQueueName"]: each["computeEnvironmentOrder"][0]["computeEnvironment"] for each in found}
    described = (
        batch.describe_compute_environments(computeEnvironments=list(arns.values()))["computeEnvironments"]
        if arns
        else []
    )
    environments = {each["computeEnvironmentArn"]: each for each in described}
    for pool, queue in queues.items():
        environment = environments.get(arns.get(queue, ""))
        if environment is None:
            yield problem(f"{pool}: its compute environment does not exist", "deploy the environment again")
            continue
        yield from _state(pool, environment)
        yield _image(subject, pool, environment)


def _state(pool: str, environment: Mapping[str, Any]) -> Iterator[Finding]:
    if environment["status"] == "INVALID":
        yield problem(
            f"{pool}: the compute environment is INVALID: {environment.get('statusReason', '')}",
            "remove the cause and deploy again; no machine starts before that",
        )
    if environment["status"] == "UPDATING":
        yield ok(f"{pool}: machines are being replaced; jobs on old ones continue")


def _image(subject: Subject, pool: str, environment: Mapping[str, Any]) -> Finding:
    (configuration, *_) = environment["computeResources"].get("ec2Configuration") or [{}]
    if own := configuration.get("imageIdOverride"):
        return _own(subject, pool, own)
    status = configuration.get("batchImageStatus")
    running = "" if subject.sandbox else _running(subject, environment)
    if status == "UPDATE_AVAILABLE":
        return problem(
            f"{pool}: Batch has a newer machine image{running}",
            f"`make patch ENV={subject.environment}`: new jobs get machines with it, running jobs keep theirs",
        )
    if status == "LATEST":
        return ok(f"{pool}: the newest machine image of Batch{running}")
    return unknown(f"{pool}: Batch does not report the image before the first machine has started{running}")


def _running(subject: Subject, environment: Mapping[str, Any]) -> str:
    """Describe the age of the images of running machines."""
    cluster, ecs = environment["ecsClusterArn"], subject.client("ecs")
    arns = ecs.list_container_instances(cluster=cluster, maxResults=_MOST_MACHINES)["containerInstanceArns"]
    if not arns:
        return "; no machine is running"
    machines = ecs.describe_container_instances(cluster=cluster, containerInstances=arns)["containerInstances"]
    amis = sorted(
        {each["value"] for machine in machines for each in machine.get("attributes", []) if each["name"] == _AMI}
    )
    if not amis:
        return f"; {counted(len(machines), 'machine')} running"
    images = subject.client("ec2").describe_images(ImageIds=amis, IncludeDeprecated=True)["Images"]
    dates = sorted(each["CreationDate"] for each in images if each.get("CreationDate"))
    return f"; the oldest in use was made {age(dates[0])}" if dates else f"; {', '.join(amis)} does not exist"


def _wanted(subject: Subject) -> Iterator[Finding]:
    assert subject.settings is not None  # noqa: S101 – only environments to be deployed are asked
    own = {name: pool.ami for name, pool in subject.settings.compute.items() if pool.ami}
    for pool, ami in own.items():
        yield _own(subject, pool, ami)
    if not own:
        yield ok("Batch's own, the newest one when a pool is created or patched")


def _own(subject: Subject, pool: str, ami: str) -> Finding:
    fix = f"build a newer one from the ECS-optimized Amazon Linux 2023, set compute.{pool}.ami to it, and deploy"
    image = _described(subject, ami)
    if image is None or image.get("State", "available") != "available":
        return problem(f"{pool}: image {ami} no longer exists, so no machine starts", fix)
    made = f", made {age(image['CreationDate'])}" if image.get("CreationDate") else ""
    deprecated = image.get("DeprecationTime")
    if deprecated and datetime.fromisoformat(deprecated) <= datetime.now(UTC):
        return problem(f"{pool}: image {ami}{made}, is deprecated since {deprecated[:10]}", fix)
    return ok(f"{pool}: image {ami} of your own{made}; Batch does not patch it")


def _described(subject: Subject, ami: str) -> _Json | None:
    try:
        images: list[_Json] = subject.client("ec2").describe_images(ImageIds=[ami], IncludeDeprecated=True)["Images"]
    except Exception as error:
        if in_words(error) is None or _GONE not in str(error):
            raise
        return None
    return images[0] if images else None


DEPLOYED = Check(name="machines", look=_deployed)
BEFORE_DEPLOY = Check(name="machine images", look=_wanted)
