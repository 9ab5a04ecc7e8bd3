"""Create the S3 client of a run, and read the manifest."""

# ruff: noqa: PLC0415 – boto3 is imported inside functions, so that a run without S3 does not wait for it

import gc
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dropbatch.contract import keys
from dropbatch.runtime.errors import RefusedError, StageInError
from dropbatch.runtime.s3_errors import explain, failures
from dropbatch.runtime.transfer import CONCURRENCY

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["make_client", "read_manifest"]


def make_client(env: Mapping[str, str]) -> "S3Client":
    """Create an S3 client with long retries, since a job may have run for hours before it uploads."""
    gc.disable()  # the imported modules stay in memory; garbage collection would take a sixth of the time
    try:
        return _make_client(env)
    finally:
        gc.freeze()
        gc.enable()


def _make_client(env: Mapping[str, str]) -> "S3Client":
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "max_attempts": 6},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=CONCURRENCY + 2,
    )
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    return boto3.client("s3", region_name=region, config=config)


def read_manifest(client: "S3Client", uri: str) -> bytes:
    """Return the text of the manifest.

    Raises:
        RefusedError: the URI is not valid.
        StageInError: the object cannot be read.
    """
    try:
        bucket, key = keys.split_uri(uri)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    try:
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except failures() as error:
        raise StageInError(explain("the job role", "read", uri, error)) from error
