"""Whether the images of jobs are there, and for the machines that they run on."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

from dropbatch.cli.doctor.findings import Finding, ok, problem, unknown
from dropbatch.cli.doctor.subject import Subject
from dropbatch.contract.deployment import resource_name
from dropbatch.settings import instances

__all__ = ["architectures", "deployed", "image_finding"]

_MANIFESTS = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
]
_SECONDS = 20


def deployed(subject: Subject) -> Iterator[Finding]:
    """Of the newest job definition of each pipeline."""
    assert subject.description is not None  # noqa: S101 – only deployed environments are asked
    batch = subject.client("batch")
    # All of a pipeline's pools are of one architecture, and so is an environment's that has one only.
    wanted = {_architecture(name) for pool in subject.pools for name in pool.instance_types} - {""}
    group = subject.description.groups[0]
    for pipeline in subject.description.pipelines:
        name = resource_name(subject.environment, pipeline, group)
        found = batch.describe_job_definitions(jobDefinitionName=name, status="ACTIVE")["jobDefinitions"]
        if not found:
            yield problem(f"{pipeline}: no job definition {name}", "deploy the environment again")
            continue
        newest = max(found, key=lambda each: each["revision"])
        yield image_finding(subject, pipeline, newest["containerProperties"]["image"], wanted)


def image_finding(subject: Subject, pipeline: str, image: str, wanted: set[str]) -> Finding:
    """Of one image, which must run on one of these architectures."""
    host, _, rest = image.partition("/")
    if ".dkr.ecr." not in host:
        return unknown(f"{pipeline}: {image} is in a registry that is not looked at")
    repository, tag = _split(rest)
    ours = repository == resource_name(subject.environment)
    if subject.sandbox and not ours:
        return unknown(f"{pipeline}: {image} is in a registry that is not looked at from the sandbox")
    if subject.sandbox:
        # Nothing is pushed there: jobs run from the build context that the deploy laid down.
        if subject.sandbox_directory is None:
            return unknown(f"{pipeline}: the sandbox's directory is not known here")
        if not (subject.sandbox_directory / "images" / tag["imageTag"]).is_dir():
            return problem(f"{pipeline}: the sandbox has no {tag['imageTag']}", "`make demo` lays it down again")
        return ok(f"{pipeline}: the sandbox has {tag['imageTag']}; architecture does not matter there")
    ecr = subject.client("ecr", region=host.split(".")[3])
    try:
        has = architectures(ecr, host.split(".")[0], repository, tag)
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        has = set()
    if not has:
        fix = "deploy again, which builds and pushes it" if ours else "push it there, or correct the pipeline's image"
        return problem(f"{pipeline}: {image} is not there", fix)
    if wanted and not has & wanted:
        return problem(
            f"{pipeline}: {image} is for {', '.join(sorted(has))}, the machines are {', '.join(sorted(wanted))}",
            "build it for the machines, or choose pools of its architecture",
        )
    return ok(f"{pipeline}: {tag.get('imageTag', image)}, {', '.join(sorted(has))}")


def _split(rest: str) -> tuple[str, dict[str, str]]:
    """Repository, and the image in it as ECR names it."""
    if "@" in rest:
        repository, _, digest = rest.partition("@")
        return repository.partition(":")[0], {"imageDigest": digest}
    repository, _, tag = rest.partition(":")
    return repository, {"imageTag": tag or "latest"}


def architectures(ecr: Any, registry: str, repository: str, image: dict[str, str]) -> set[str]:
    """Architectures that an image in ECR is for; none when it is not there."""
    answer = ecr.batch_get_image(
        registryId=registry, repositoryName=repository, imageIds=[image], acceptedMediaTypes=_MANIFESTS
    )
    if not answer["images"]:
        return set()
    manifest = json.loads(answer["images"][0]["imageManifest"])
    if "manifests" in manifest:
        platforms = [each.get("platform", {}) for each in manifest["manifests"]]
        # Attestations of a build lie beside its images, for no machine.
        return {each["architecture"] for each in platforms if each.get("architecture", "unknown") != "unknown"}
    url = ecr.get_download_url_for_layer(
        registryId=registry, repositoryName=repository, layerDigest=manifest["config"]["digest"]
    )["downloadUrl"]
    with urlopen(url, timeout=_SECONDS) as body:  # noqa: S310 – a link that AWS has just signed
        return {json.load(body)["architecture"]}


def _architecture(instance_type: str) -> str:
    found, _ = instances.expand([instance_type])
    return found[0].architecture if found else ""
