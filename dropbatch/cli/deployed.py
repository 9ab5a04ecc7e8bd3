"""A deployed environment as its users see it: what its SSM parameter says, and clients to talk to it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dropbatch.cli.errors import NotFoundError, UsageFault
from dropbatch.contract.keys import SYSTEM_GROUP
from dropbatch.contract.suggestions import did_you_mean

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

__all__ = ["Deployed", "Description", "parameter_name", "read_description"]

_VERSION = 1


def parameter_name(environment: str) -> str:
    """Name of the SSM parameter that describes an environment."""
    return f"/dropbatch/{environment}"


@dataclass(frozen=True, kw_only=True)
class Description:
    """Content of the SSM parameter."""

    environment: str
    region: str
    input_bucket: str
    output_bucket: str
    ledger_table: str
    log_group: str
    groups: tuple[str, ...]
    pipelines: tuple[str, ...]
    folders: Mapping[str, str] = field(default_factory=dict)
    """Of pipelines that take folders, the name of the object that closes one."""
    pools: Mapping[str, str] = field(default_factory=dict)
    """Job queue of each pool."""
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """USD per vCPU-hour and per GiB-hour of each pool that has prices."""
    needs: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """vCPUs, MiB, minutes until the timeout and tries of each pipeline."""
    operators_topic_arn: str = ""

    def group(self, name: str | None) -> str:
        """The group meant: the one named, or the only one.

        Raises:
            UsageFault: it does not exist, or there are several to choose from.
        """
        if name == SYSTEM_GROUP:
            return name  # files that belong to no group; who may look at them is IAM's to say
        return _one(name, self.groups, "group", self.environment)

    def pipeline(self, name: str | None) -> str:
        """The pipeline meant: the one named, or the only one.

        Raises:
            UsageFault: it does not exist, or there are several to choose from.
        """
        return _one(name, self.pipelines, "pipeline", self.environment)


def _one(name: str | None, known: tuple[str, ...], kind: str, environment: str) -> str:
    listed = ", ".join(sorted(known)) or "none"
    if name is None:
        if len(known) == 1:
            return known[0]
        raise UsageFault(f"{environment} has several {kind}s: choose one with --{kind}: {listed}")
    if name not in known:
        raise UsageFault(f"{environment} has no {kind} named {name}: {did_you_mean(name, known)}known are {listed}")
    return name


def read_description(text: str) -> Description:
    """Read the parameter's JSON.

    Raises:
        UsageFault: it was written by a version that this one does not understand.
    """
    body: Mapping[str, Any] = json.loads(text)
    if body.get("version") != _VERSION:
        raise UsageFault(
            f"the environment was deployed by another version of dropbatch (format {body.get('version')!r}, this one "
            f"reads {_VERSION}): update dropbatch"
        )
    return Description(
        environment=body["environment"],
        region=body["region"],
        input_bucket=body["input_bucket"],
        output_bucket=body["output_bucket"],
        ledger_table=body["ledger_table"],
        log_group=body["log_group"],
        groups=tuple(body["groups"]),
        pipelines=tuple(body["pipelines"]),
        folders=body.get("folders", {}),
        pools=body.get("pools", {}),
        prices={pool: (vcpu, gib) for pool, (vcpu, gib) in body.get("prices", {}).items()},
        needs={name: (each[0], each[1], each[2], each[3]) for name, each in body.get("needs", {}).items()},
        operators_topic_arn=body.get("operators_topic_arn", ""),
    )


def _environments(ssm: "SSMClient") -> list[str]:
    """Environments that are deployed; none when one may not look."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 – slow

    prefix = parameter_name("")
    try:
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=prefix)
        return sorted(each["Name"].removeprefix(prefix) for page in pages for each in page["Parameters"])
    except ClientError:
        return []


class Deployed:
    """One environment: its description and its clients, each made when first needed."""

    def __init__(self, environment: str) -> None:
        self.environment = environment

    @cached_property
    def description(self) -> Description:
        """What is deployed.

        Raises:
            NotFoundError: nothing of that name is, in this account and region.
        """
        ssm = self._client("ssm")
        try:
            answer = ssm.get_parameter(Name=parameter_name(self.environment))
        except ssm.exceptions.ParameterNotFound:
            there = _environments(ssm)
            known = f"{did_you_mean(self.environment, there)}there are {', '.join(there)}; " if there else ""
            raise NotFoundError(
                f"no environment named {self.environment} is deployed in this account and region "
                f"({ssm.meta.region_name}): {known}check --env, AWS_PROFILE and AWS_REGION, or deploy it "
                "(in the sandbox: `make demo`)"
            ) from None
        return read_description(answer["Parameter"]["Value"])

    @cached_property
    def s3(self) -> "S3Client":
        """Client of S3."""
        client: S3Client = self._client("s3", self.description.region, 20)  # files and their parts go side by side
        return client

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Client of DynamoDB."""
        # Days and shards go side by side.
        client: DynamoDBClient = self._client("dynamodb", self.description.region, 32)
        return client

    @cached_property
    def batch(self) -> "BatchClient":
        """Client of Batch."""
        client: BatchClient = self._client("batch", self.description.region)
        return client

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """Client of CloudWatch Logs."""
        client: CloudWatchLogsClient = self._client("logs", self.description.region)
        return client

    @cached_property
    def functions(self) -> "LambdaClient":
        """Client of Lambda."""
        client: LambdaClient = self._client("lambda", self.description.region)
        return client

    @cached_property
    def _session(self) -> "Session":
        # Not boto3's default session: that one keeps the credentials of whoever asked first.
        from boto3.session import Session  # noqa: PLC0415 – a fifth of a second that `--help` need not wait for

        # boto3 reads AWS_DEFAULT_REGION only; every other client, and so every person, takes AWS_REGION too.
        return Session(region_name=os.environ.get("AWS_REGION") or None)

    def new_client(self, service: str, *, region: str | None = None, connections: int = 10) -> Any:
        """A client of one's own, say to listen to its events; in the environment's region unless another is named."""
        return self._client(service, region or self.description.region, connections)

    def _client(self, service: str, region: str | None = None, connections: int = 10) -> Any:
        from botocore.config import Config  # noqa: PLC0415

        config = Config(
            retries={"mode": "standard", "max_attempts": 4},
            connect_timeout=10,
            max_pool_connections=connections,
            user_agent_extra="dropbatch",
        )
        return self._session.client(service, region_name=region, config=config)  # type: ignore[call-overload]
