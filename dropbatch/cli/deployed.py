"""A deployed environment: its description from the SSM parameter, and AWS clients for it."""

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dropbatch.cli.errors import NotFoundError, UsageFault
from dropbatch.contract.keys import SYSTEM_GROUP
from dropbatch.contract.parameter import DeploymentParameter, ParameterVersionError, parameter_name
from dropbatch.contract.suggestions import did_you_mean, known_names

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

__all__ = ["Deployed", "Description", "read_description"]


class Description(DeploymentParameter):
    """The deployment's parameter, with methods that choose a group or pipeline."""

    __slots__ = ()

    def group(self, name: str | None) -> str:
        """Return the named group, or the only one.

        Raises:
            UsageFault: it does not exist, or there are several to choose from.
        """
        if name == SYSTEM_GROUP:
            return name  # files that belong to no group; IAM decides who may see them
        return _one(name, self.groups, "group", self.environment)

    def pipeline(self, name: str | None) -> str:
        """Return the named pipeline, or the only one.

        Raises:
            UsageFault: it does not exist, or there are several to choose from.
        """
        return _one(name, self.pipelines, "pipeline", self.environment)


def _one(name: str | None, known: tuple[str, ...], kind: str, environment: str) -> str:
    if name is None:
        if len(known) == 1:
            return known[0]
        listed = ", ".join(sorted(known)) or "none"
        raise UsageFault(f"{environment} has several {kind}s: choose one with --{kind}: {listed}")
    if name not in known:
        raise UsageFault(f"{environment} has no {kind} named {name}: {known_names(name, known)}")
    return name


def read_description(text: str) -> Description:
    """Read the parameter's JSON.

    Raises:
        UsageFault: it was written by a version that this one does not understand.
    """
    try:
        return Description(*DeploymentParameter.from_json(text))
    except ParameterVersionError as error:
        raise UsageFault(
            f"the environment was deployed by another version of dropbatch ({error}): update dropbatch"
        ) from error


def _environments(ssm: "SSMClient") -> list[str]:
    """Return the names of the deployed environments; none when the caller may not list them."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 – slow

    prefix = parameter_name("")
    try:
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=prefix)
        return sorted(each["Name"].removeprefix(prefix) for page in pages for each in page["Parameters"])
    except ClientError:
        return []


class Deployed:
    """One environment: its description and its clients, each created when it is first needed."""

    def __init__(self, environment: str) -> None:
        self.environment = environment

    @cached_property
    def description(self) -> Description:
        """Description of the environment.

        Raises:
            NotFoundError: no environment of that name is deployed in this account and region.
        """
        ssm = self._client("ssm")
        try:
            answer = ssm.get_parameter(Name=parameter_name(self.environment))
        except ssm.exceptions.ParameterNotFound:
            deployed = _environments(ssm)
            known = f"{did_you_mean(self.environment, deployed)}there are {', '.join(deployed)}; " if deployed else ""
            raise NotFoundError(
                f"no environment named {self.environment} is deployed in this account and region "
                f"({ssm.meta.region_name}): {known}check --env, AWS_PROFILE and AWS_REGION, or deploy it "
                "(in the sandbox: `make demo`)"
            ) from None
        return read_description(answer["Parameter"]["Value"])

    @cached_property
    def s3(self) -> "S3Client":
        """Client of S3."""
        client: S3Client = self._client(
            "s3", self.description.region, 20
        )  # files and their parts are transferred in parallel
        return client

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Client of DynamoDB."""
        # Days and shards are queried in parallel.
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
        # Not boto3's default session, which keeps the credentials that it found first.
        from boto3.session import Session  # noqa: PLC0415 – a fifth of a second that `--help` need not wait for

        # boto3 reads only AWS_DEFAULT_REGION; other AWS clients, and so their users, also expect AWS_REGION to work.
        return Session(region_name=os.environ.get("AWS_REGION") or None)

    def new_client(self, service: str, *, region: str | None = None, connections: int = 10) -> Any:
        """Create a client that is not shared; in the environment's region unless another is named."""
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
