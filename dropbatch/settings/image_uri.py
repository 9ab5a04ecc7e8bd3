"""URIs of container images, and the private repositories of Amazon ECR that they name.

Forms of the addresses: https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html and, for IPv6,
https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dropbatch.settings.models import Settings

__all__ = ["Repository", "check", "repository_of"]

# https://pkg.go.dev/github.com/distribution/reference: host, path, tag, digest.
_PATH = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_URI = re.compile(
    rf"(?:(?P<host>(?:[\w-]+(?:\.[\w-]+)+|localhost)(?::\d+)?|[\w-]+:\d+)/)?(?P<name>{_PATH}(?:/{_PATH})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr(?:\.ecr|-ecr)(?:-fips)?\.(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d)\."
    r"(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn)"
)
_PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov", "eusc": "aws-eusc"}
"""By the beginnings of their regions: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A private repository of Amazon ECR."""

    account: str
    region: str
    name: str

    @property
    def partition(self) -> str:
        """Partition of AWS that it is in."""
        return _partition(self.region)

    @property
    def arn(self) -> str:
        """As policies name it."""
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{self.name}"


def repository_of(uri: str) -> Repository | None:
    """Return the private repository that an image is in; none for images of other registries."""
    found = _URI.fullmatch(uri)
    host = _ECR.fullmatch(found["host"] or "") if found else None
    if found is None or host is None:
        return None
    return Repository(account=host["account"], region=host["region"], name=found["name"])


def check(settings: Settings) -> Iterator[str]:
    """Yield faults of the pipelines' image URIs, in the form of `rules.check`."""
    for name, pipeline in settings.pipeline.items():
        for key, uri in (("image", pipeline.image), ("base", pipeline.base)):
            # Without tag and digest it is a directory; `constructs_lib.assets` says so if there is none.
            if uri and (key == "base" or ":" in uri or "@" in uri):
                yield from _faults(settings, f"pipeline.{name}.{key}", uri)


def _faults(settings: Settings, where: str, uri: str) -> Iterator[str]:
    if _URI.fullmatch(uri) is None:
        yield (
            f"{where}: must be an image's URI, got {uri!r}: write registry/name:tag or registry/name@sha256:…, the "
            "name in small letters"
        )
        return
    repository = repository_of(uri)
    if repository is None and re.search(r"\.dkr[.-]ecr", uri):
        yield (
            f"{where}: a private repository of Amazon ECR is written "
            f"<account>.dkr.ecr.<region>.amazonaws.com/<name>:<tag>, got {uri!r}: correct account and region"
        )
    # The base is pulled by whoever builds the image, not by a role of ours.
    if repository is None or settings.environment is None or where.endswith(".base"):
        return
    ours = _partition(settings.environment.region)
    if repository.partition != ours:
        yield (
            f"{where}: must be in the partition of the environment's region, {ours}, got {uri!r} in "
            f"{repository.partition}: roles of one cannot be granted anything in another, copy the image"
        )


def _partition(region: str) -> str:
    return next((name for begin, name in _PARTITIONS.items() if region.startswith(f"{begin}-")), "aws")
