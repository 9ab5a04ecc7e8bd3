"""Checks before a deploy changes anything; Terraform runs them first: ``python3 -m dropbatch.before_deploy …``.

A deploy that cannot end should not begin: images that must be built need an engine that can build for their
architecture, and an input bucket of others must keep versions and send events.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from dropbatch.images import ARCHIVES, PushError, builds, cannot_build, engine

__all__ = ["faults", "main"]


def faults(
    *, region: str, repository: str, tags: Mapping[str, str], input_bucket: str | None, env: Mapping[str, str]
) -> list[str]:
    """What stands against a deploy, one line each, with the fix. `tags` are of images, each with its architecture."""
    found = []
    if tags and not env.get("DROPBATCH_SANDBOX_DIR"):  # the sandbox takes build contexts as they are
        found += _image_faults(region, repository, tags, env)
    if input_bucket is not None:
        found += _bucket_faults(region, input_bucket)
    return found


def _image_faults(region: str, repository: str, tags: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    try:
        builder = engine()
    except PushError as error:
        missing = [tag for tag in tags if not _has_image(region, repository, tag)]
        return [_needs(missing, str(error))] if missing else []
    archives = Path(env[ARCHIVES]) if env.get(ARCHIVES) else None
    by_architecture: dict[str, list[str]] = {}
    for tag, architecture in tags.items():
        if archives is None or not (archives / f"{tag}.tar").is_file():
            by_architecture.setdefault(architecture, []).append(tag)
    faults = []
    for architecture, built in by_architecture.items():
        if not builds(builder, architecture):
            missing = [tag for tag in built if not _has_image(region, repository, tag)]
            if missing:
                faults.append(_needs(missing, cannot_build(builder, architecture)))
    return faults


def _needs(tags: list[str], fault: str) -> str:
    """The fix stays at the end, after the last colon, where `doctor` looks for it."""
    return f"image {', '.join(tags)}: {fault}"


def _has_image(region: str, repository: str, tag: str) -> bool:
    ecr = _client("ecr", region)
    try:
        ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        return False
    return True


def _bucket_faults(region: str, bucket: str) -> list[str]:
    from botocore.exceptions import ClientError  # heavy, and needed here only  # noqa: PLC0415

    s3 = _client("s3", region)
    found = []
    try:
        if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            found.append(
                f"storage.input_bucket: {bucket} must keep versions, which runs are told apart by, and does not: "
                "switch versioning on"
            )
        if "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=bucket):
            found.append(
                f"storage.input_bucket: {bucket} must send its events to EventBridge, and does not: switch that on in "
                "the bucket's properties"
            )
    except ClientError as error:
        found.append(f"storage.input_bucket: {bucket} cannot be looked at: {error}: name a bucket of this account")
    return found


def _client(service: str, region: str) -> Any:
    import boto3  # heavy, and needed here only  # noqa: PLC0415

    # Any service by name: boto3's types know only names written out.
    make: Any = boto3.client
    return make(service, region_name=region)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """``--region R --repository NAME [--tag T[@arm64]]… [--input-bucket B]``; exit code 1 with one line per fault."""
    parser = _Parser(prog="python3 -m dropbatch.before_deploy", description="Say what a deploy would fail at.")
    parser.add_argument("--region", required=True)
    parser.add_argument("--repository", required=True, help="name of the registry of images; it need not exist yet")
    parser.add_argument(
        "--tag", action="append", default=[], help="tag of an image that the deploy needs; for arm64: <tag>@arm64"
    )
    parser.add_argument("--input-bucket", help="an existing bucket")
    options = parser.parse_args(argv)
    found = faults(
        region=options.region,
        repository=options.repository,
        tags={tag: architecture or "amd64" for tag, _, architecture in (each.partition("@") for each in options.tag)},
        input_bucket=options.input_bucket,
        env=env,
    )
    for fault in found:
        print(f"error: {fault}", file=sys.stderr)
    if found:
        print("error: nothing was changed", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
