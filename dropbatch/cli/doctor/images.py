"""Check that the container images of jobs exist, and match the architecture of the machines."""

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
    """Check the image of each pipeline's newest job definition."""
    assert subject.description is not None  # noqa: S101 – only deployed environments are asked
    batch = subject.client("batch")
    # All pools of a pipeline have one architecture; `wanted` has more than one only if pipelines differ.
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
    """Return the finding about one image, which must support one of the `wanted` architectures."""
    host, _, rest = image.partition("/")
    if ".dkr.ecr." not in host:
        return unknown(f"{pipeline}: {image} is in a registry that doctor cannot read")
    repository, tag = _split(rest)
    ours = repository == resource_name(subject.environment)
    if subject.sandbox and not ours:
        return unknown(f"{pipeline}: {image} is in a registry that doctor does not read in the sandbox")
    if subject.sandbox:
        # No image is pushed to the sandbox: jobs run from the build context that the deploy copied there.
        if subject.sandbox_directory is None:
            return unknown(f"{pipeline}: the sandbox's directory is unknown here")
        if not (subject.sandbox_directory / "images" / tag["imageTag"]).is_dir():
            return problem(f"{pipeline}: the sandbox has no {tag['imageTag']}", "`make demo` creates it again")
        return ok(f"{pipeline}: the sandbox has {tag['imageTag']}; architecture does not matter there")
    ecr = subject.client("ecr", region=host.split(".")[3])
    try:
        has = architectures(ecr, host.split(".")[0], repository, tag)
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        has = set()
    if not has:
        fix = "deploy again, which builds and pushes it" if ours else "push it, or correct the pipeline's image"
        return problem(f"{pipeline}: {image} does not exist", fix)
    if wanted and not has & wanted:
        return problem(
            f"{pipeline}: {image} is for {', '.join(sorted(has))}, the machines are {', '.join(sorted(wanted))}",
            "build it for the machines, or choose pools of its architecture",
        )
    return ok(f"{pipeline}: {tag.get('imageTag', image)}, {', '.join(sorted(has))}")


def _split(rest: str) -> tuple[str, dict[str, str]]:
    """Return the repository, and the image id for ECR: its tag or digest."""
    if "@" in rest:
        repository, _, digest = rest.partition("@")
        return repository.partition(":")[0], {"imageDigest": digest}
    repository, _, tag = rest.partition(":")
    return repository, {"imageTag": tag or "latest"}


def architectures(ecr: Any, registry: str, repository: str, image: dict[str, str]) -> set[str]:
    """Return the architectures of an image in ECR; none when it does not exist."""
    answer = ecr.batch_get_image(
        registryId=registry, repositoryName=repository, imageIds=[image], acceptedMediaTypes=_MANIFESTS
    )
    if not answer["images"]:
        return set()
    manifest = json.loads(answer["images"][0]["imageManifest"])
    if "manifests" in manifest:
        platforms = [each.get("platform", {}) for each in manifest["manifests"]]
        # Attestations of a build are listed beside its images, with architecture "unknown".
        return {each["architecture"] for each in platforms if each.get("architecture", "unknown") != "unknown"}
    url = ecr.get_download_url_for_layer(
        registryId=registry, repositoryName=repository, layerDigest=manifest["config"]["digest"]
    )["downloadUrl"]
    with urlopen(url, timeout=_SECONDS) as body:  # noqa: S310 – a URL presigned by AWS
        return {json.load(body)["architecture"]}


def _architecture(instance_type: str) -> str:
    found, _ = instances.expand([instance_type])
    return found[0].architecture if found else ""
