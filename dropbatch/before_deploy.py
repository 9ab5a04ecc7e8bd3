"""Checks that Terraform runs before a deploy changes anything: ``python3 -m dropbatch.before_deploy …``.

Images that must be built need a container engine that can build for their architecture. An existing input bucket must
have versioning and send its events to EventBridge.
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
    """Return reasons why a deploy would fail, one line each, with the fix. `tags` maps image tags to architectures."""
    found = []
    if tags and not env.get("DROPBATCH_SANDBOX_DIR"):  # the sandbox copies build contexts, without an engine
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
    """Prefix the tags. The fix stays after the last colon, where `doctor` expects it."""
    return f"image {', '.join(tags)}: {fault}"


def _has_image(region: str, repository: str, tag: str) -> bool:
    ecr = _client("ecr", region)
    try:
        ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        return False
    return True


def _bucket_faults(region: str, bucket: str) -> list[str]:
    from botocore.exceptions import ClientError  # slow  # noqa: PLC0415

    s3 = _client("s3", region)
    found = []
    try:
        if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            found.append(
                f"storage.input_bucket: {bucket} has no versioning, which runs are identified by: enable versioning"
            )
        if "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=bucket):
            found.append(
                f"storage.input_bucket: {bucket} does not send its events to EventBridge: enable that in the "
                "bucket's properties"
            )
    except ClientError as error:
        found.append(f"storage.input_bucket: {bucket} cannot be read: {error}: name a bucket of this account")
    return found


def _client(service: str, region: str) -> Any:
    import boto3  # slow  # noqa: PLC0415

    # boto3's types accept only literal names of services.
    make: Any = boto3.client
    return make(service, region_name=region)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Run ``--region R --repository NAME [--tag T[@arm64]]… [--input-bucket B]``; return 1 if a deploy would fail."""
    parser = _Parser(prog="python3 -m dropbatch.before_deploy", description="Check that a deploy would not fail.")
    parser.add_argument("--region", required=True, help="AWS region of the deploy")
    parser.add_argument("--repository", required=True, help="name of the ECR repository; it need not exist yet")
    parser.add_argument(
        "--tag", action="append", default=[], help="tag of an image that the deploy needs; for arm64: <tag>@arm64"
    )
    parser.add_argument("--input-bucket", help="existing input bucket")
    options = parser.parse_args(argv)
    errors = faults(
        region=options.region,
        repository=options.repository,
        tags={tag: architecture or "amd64" for tag, _, architecture in (each.partition("@") for each in options.tag)},
        input_bucket=options.input_bucket,
        env=env,
    )
    for fault in errors:
        print(f"error: {fault}", file=sys.stderr)
    if errors:
        print("error: nothing was changed", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
