"""Observations of jobs and machines: the environment's runs, and jobs submitted for an observation."""

import contextlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from delivery.account import FILE, Acceptance, CommandError
from delivery.observations import ELSEWHERE, PREFIX, TAG, Observation, needs_aws
from dropbatch.contract.batch_reasons import TEXTS
from dropbatch.images import engine

__all__ = [
    "change_under_a_job",
    "job_without_priority",
    "machine_image",
    "metadata_service",
    "other_repository",
    "reason_texts",
    "scratch_disk",
    "secret_under_a_key",
    "valid_environments",
]

_PUBLIC_IMAGE = "public.ecr.aws/docker/library/busybox:1.37"
_PARAMETER = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/retrieve-ecs-optimized_AMI.html"""
_WITHOUT_PRIORITY = "without-priority"
_PIPELINES = """
[pipeline.elsewhere]
image = "{image}"
command = ["cp", "{{input}}", "{{output}}/"]
pools = ["ondemand"]
memory_mib = 512

[pipeline.secret]
image = "image/wordcount"
command = ["sh", "-c", "test $TOKEN = {word} && cp {{input}} {{output}}/"]
secrets = {{ TOKEN = "{secret}" }}
secret_keys = ["{key}"]
pools = ["ondemand"]
memory_mib = 512
"""
"""Pipelines that the second deploy adds, when their image and secret exist."""
_STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")


def job_without_priority(this: Acceptance) -> Observation:
    """Submit a job without a priority, and check the error; jobs of runs, which have one, must have been accepted."""
    queue, group = _queue(this), _group(this)
    ours = this.item(this.run)["job_id"]
    with _definition(this, _WITHOUT_PRIORITY, command=["true"]) as name:
        call = ("--job-name", name, "--job-queue", queue, "--job-definition", name, "--share-identifier", group)
        try:
            taken = this.aws("batch", "submit-job", *call)["jobId"]
        except CommandError as error:
            said = " ".join(error.output.split())
            about = "priority" in said.lower()  # or else it is refused for another reason
            return Observation(held=about or None, text=f"without: {said[-200:]}; with ours: accepted ({ours})")
        this.aws("batch", "terminate-job", "--job-id", taken, "--reason", "acceptance")
    return Observation(held=False, text=f"accepted without a priority; ours too ({ours})")


def scratch_disk(this: Acceptance) -> Observation:
    """A run on a pool with a disk for scratch space sees a file system of that disk's size."""
    needs_aws(this, "there are no machines")
    run, results = _on_machine(this)
    kib = int(results["scratch.txt"].split()[1])
    job = this.aws("batch", "describe-jobs", "--jobs", this.item(run)["job_id"])["jobs"][0]
    machine = job["container"].get("containerInstanceArn", "none")
    fits = 20 * 2**20 <= kib <= 21 * 2**20  # XFS keeps a little of its 21 GiB to itself
    return Observation(held=fits, text=f"{run} ran on {machine}; its scratch space is {kib / 2**20:.1f} GiB")


def metadata_service(this: Acceptance) -> Observation:
    """A program cannot reach the instance metadata service, which has the machine's credentials."""
    needs_aws(this, "there are no machines")
    run, results = _on_machine(this)
    word = results["metadata.txt"].strip()
    return Observation(held=word == "refused", text=f"{run}: a connection to 169.254.169.254 was {word}")


def machine_image(this: Acceptance) -> Observation:
    """The machines use the AMI that AWS currently recommends."""
    needs_aws(this, "there are no machines")
    found = this.aws("ec2", "describe-instances", "--filters", f"Name=tag:{TAG},Values={PREFIX}")
    machines = [each for group in found["Reservations"] for each in group["Instances"]]
    if not machines:
        return Observation(held=None, text="no machine is left to look at")
    recommended = this.aws("ssm", "get-parameter", "--name", _PARAMETER)["Parameter"]["Value"]
    used = sorted({each["ImageId"] for each in machines})
    images = this.aws("ec2", "describe-images", "--image-ids", *used)["Images"]
    ages = ", ".join(f"{each['ImageId']} of {each['CreationDate'][:10]}" for each in images)
    return Observation(
        held=used == [recommended], text=f"{len(machines)} machines, {ages or used}; recommended: {recommended}"
    )


def valid_environments(this: Acceptance) -> Observation:
    """Every compute environment is VALID after the first deploy: IAM knew its instance profile in time."""
    needs_aws(this, "IAM needs no time to propagate")
    found = this.aws("batch", "describe-compute-environments")["computeEnvironments"]
    ours = {each["computeEnvironmentName"]: each for each in found if _is_ours(each["computeEnvironmentName"])}
    invalid = [f"{name}: {each.get('statusReason')}" for name, each in ours.items() if each["status"] != "VALID"]
    return Observation(
        held=bool(ours) and not invalid, text="; ".join(invalid) or f"{len(ours)} environments are VALID"
    )


def change_under_a_job(this: Acceptance) -> Observation:
    """Change the machines of a pool while a run uses it; the run must not be affected."""
    run = this.drop("long")
    this.until(lambda: this.item(run)["state"] == "RUNNING", f"{run} to run")
    before = this.item(run)
    text = FILE.read_text(encoding="utf-8").replace("root_gib = 50 ", "root_gib = 51 ")
    if not this.sandbox:
        text += _PIPELINES.format(image=_pushed_elsewhere(this), **_secret(this))
    FILE.write_text(text, encoding="utf-8")
    began = time.monotonic()
    this.as_deployer("deploy")
    seconds = time.monotonic() - began
    after = this.ended(run)
    same = after["state"] == "SUCCEEDED" and after["job_id"] == before["job_id"]
    tries = this.aws("batch", "describe-jobs", "--jobs", before["job_id"])["jobs"][0].get("attempts", [])
    return Observation(
        held=same and len(tries) <= 1,
        text=f"deployed in {seconds:.0f} s; {run} is {after['state']} after {len(tries)} tries of {before['job_id']}",
    )


def _pushed_elsewhere(this: Acceptance) -> str:
    """Push the environment's image to another repository, and return its URI."""
    this.aws("ecr", "create-repository", "--repository-name", ELSEWHERE)
    this.cleanups.append(lambda: this.aws("ecr", "delete-repository", "--force", "--repository-name", ELSEWHERE))
    repositories = this.aws("ecr", "describe-repositories", "--repository-names", ELSEWHERE, PREFIX)["repositories"]
    uris = {each["repositoryName"]: each["repositoryUri"] for each in repositories}
    tag = next(
        each["imageTag"]
        for each in this.aws("ecr", "list-images", "--repository-name", PREFIX)["imageIds"]
        if each.get("imageTag", "").startswith("wordcount-")
    )
    builder, target = engine(), f"{uris[ELSEWHERE]}:1"
    word = this.call("aws", "ecr", "get-login-password", "--region", this.region).strip()
    host = uris[ELSEWHERE].partition("/")[0]
    this.call(builder, "login", "--username", "AWS", "--password-stdin", host, stdin=word)
    for command in (("pull", f"{uris[PREFIX]}:{tag}"), ("tag", f"{uris[PREFIX]}:{tag}", target), ("push", target)):
        this.call(builder, *command)
    return target


def other_repository(this: Acceptance) -> Observation:
    """A pipeline runs an image of another private registry of the account."""
    needs_aws(this, "rights to pull images are not enforced")
    run = this.drop("elsewhere")
    item = this.ended(run)
    return Observation(held=item["state"] == "SUCCEEDED", text=f"{run} is {item['state']} {item.get('reason', '')}")


def _secret(this: Acceptance) -> dict[str, str]:
    """Create a secret under a customer key, and return both ARNs and the value."""
    word = secrets.token_hex(8)
    key = this.aws("kms", "create-key", "--description", "dropbatch acceptance")["KeyMetadata"]["Arn"]
    week = ("--pending-window-in-days", "7")
    this.cleanups.append(lambda: this.aws("kms", "schedule-key-deletion", "--key-id", key, *week))
    named = ("--name", f"{ELSEWHERE}-{word}", "--kms-key-id", key, "--secret-string", word)
    secret = this.aws("secretsmanager", "create-secret", *named)["ARN"]
    gone = ("--secret-id", secret, "--force-delete-without-recovery")
    this.cleanups.append(lambda: this.aws("secretsmanager", "delete-secret", *gone))
    return {"secret": secret, "key": key, "word": word}


def secret_under_a_key(this: Acceptance) -> Observation:
    """A pipeline receives a secret that is encrypted with a customer key."""
    needs_aws(this, "the process runner gives no secrets")
    run = this.drop("secret")
    item = this.ended(run)
    return Observation(held=item["state"] == "SUCCEEDED", text=f"{run} is {item['state']} {item.get('reason', '')}")


def reason_texts(this: Acceptance) -> Observation:
    """Every reason text of Batch and ECS begins like a known one; jobs that fail on purpose produce more texts."""
    if not this.sandbox:
        _failing_jobs(this)
    seen: dict[tuple[str, str], str] = {}
    for job in _jobs(this):
        tries = job.get("attempts", [])
        containers = [job.get("container", {}), *(each.get("container", {}) for each in tries)]
        texts = [("statusReason", each.get("statusReason")) for each in (job, *tries)]
        texts += [("reason", each.get("reason")) for each in containers]
        seen |= {(field, text): job["jobId"] for field, text in texts if text}
    known = {(field, text) for field, text in seen if any(each.field == field and each.matches(text) for each in TEXTS)}
    unknown = [f"{field} {text!r} of job {seen[field, text]}" for field, text in seen if (field, text) not in known]
    listed = "; ".join(sorted(text for _, text in known))
    return Observation(held=not unknown, text=f"unknown: {'; '.join(unknown) or 'none'}. known: {listed or 'none'}")


def _jobs(this: Acceptance) -> Iterator[dict[str, Any]]:
    ids = [
        job["jobId"]
        for queue in this.deployed()["pools"].values()
        for status in _STATUSES
        for job in this.aws("batch", "list-jobs", "--job-queue", queue, "--job-status", status)["jobSummaryList"]
        if job["jobName"] != f"{PREFIX}-{_WITHOUT_PRIORITY}"
    ]
    for start in range(0, len(ids), 100):
        yield from this.aws("batch", "describe-jobs", "--jobs", *ids[start : start + 100])["jobs"]


def _failing_jobs(this: Acceptance) -> None:
    """Submit jobs that exceed their time, exceed their memory, and name a missing image."""
    queue, group = _queue(this), _group(this)
    kinds: dict[str, dict[str, Any]] = {
        "timeout": {"command": ["sleep", "600"]},
        "memory": {"command": ["sh", "-c", "tail /dev/zero"]},
        "image": {"command": ["true"], "image": f"{_PUBLIC_IMAGE}-is-nowhere"},
    }
    ids = []
    for kind, more in kinds.items():
        with _definition(this, kind, **more) as name:
            call = ("--job-name", name, "--job-queue", queue, "--job-definition", name, "--share-identifier", group)
            limits = ("--scheduling-priority-override", "1", "--timeout", "attemptDurationSeconds=60")
            ids.append(this.aws("batch", "submit-job", *call, *limits)["jobId"])
    this.until(
        lambda: all(
            job["status"] in ("SUCCEEDED", "FAILED")
            for job in this.aws("batch", "describe-jobs", "--jobs", *ids)["jobs"]
        ),
        "jobs made to fail",
    )


@contextlib.contextmanager
def _definition(this: Acceptance, kind: str, *, command: list[str], image: str = _PUBLIC_IMAGE) -> Iterator[str]:
    """Register a job definition without a priority, to be deregistered in the end."""
    name = f"{PREFIX}-{kind}"
    requirements = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
    container = {"image": image, "command": command, "resourceRequirements": requirements}
    given = ("--job-definition-name", name, "--type", "container", "--container-properties", json.dumps(container))
    arn = this.aws("batch", "register-job-definition", *given)["jobDefinitionArn"]
    try:
        yield name
    finally:
        with contextlib.suppress(CommandError):
            this.aws("batch", "deregister-job-definition", "--job-definition", arn)


def _on_machine(this: Acceptance) -> tuple[str, dict[str, str]]:
    """Return id and results of a run that inspects its machine; start it on the first call."""
    if not this.on_machine:
        run = this.drop("machine")
        this.ended(run)
        folder = Path("build/acceptance") / run
        this.dropbatch("fetch", run, str(folder))
        this.on_machine = (run, {path.name: path.read_text(encoding="utf-8") for path in folder.rglob("*.txt")})
        shutil.rmtree(folder)
    return this.on_machine


def _queue(this: Acceptance) -> str:
    return str(this.deployed()["pools"]["ondemand"])


def _group(this: Acceptance) -> str:
    return str(this.deployed()["groups"][0])


def _is_ours(name: str) -> bool:
    return name.startswith(f"{PREFIX}-")
