"""What of ``[pipeline.<name>]`` is about the container: devices, limits, variables, secrets, mounts, retries."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from dropbatch.settings.compute import Architecture
from dropbatch.settings.names import KeyArn
from dropbatch.settings.table import Table

__all__ = ["Container", "RetryRule"]

HostPath = Annotated[str, StringConstraints(pattern=r"^/[^:,\s]*$")]
MountTarget = Annotated[str, StringConstraints(pattern=r"^/[^:,\s]+(:ro|:rw)?$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
SecretArn = Annotated[
    str,
    StringConstraints(
        pattern=r"^arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+(:[^:]*:[^:]*:[^:]*)?"
        r"|ssm:[a-z0-9-]+:\d{12}:parameter/[\w/.-]+)$"
    ),
]
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Flag = Annotated[str, StringConstraints(pattern=r"^[\w.-]+$")]
LimitName = Annotated[str, StringConstraints(pattern=r"^[a-z]+$")]
TagKey = Annotated[str, StringConstraints(pattern=r"^[\w.:/=+@-]{1,128}$")]
TagValue = Annotated[str, StringConstraints(max_length=256)]

_GLOB = r"^[\w.:\s]+\*?$|^\*$"


class RetryRule(Table):
    """``[[pipeline.<name>.retry]]``: what Batch does at once when a try ends so; all that is given must match."""

    action: Literal["retry", "exit"]
    """Try again at once, as often as `tries` says, or end here."""
    exit_code: Annotated[str, StringConstraints(pattern=r"^\d{1,3}\*?$")] | None = None
    """Such as ``"75"`` or ``"13*"``."""
    reason: Annotated[str, StringConstraints(pattern=_GLOB)] | None = None
    """Reason of the container's end; a ``*`` at the end stands for anything."""
    status_reason: Annotated[str, StringConstraints(pattern=_GLOB)] | None = None
    """Reason of the job's state."""


class Container(Table):
    """Keys of a pipeline that become parts of its job definitions."""

    gpus: Annotated[int, Field(ge=0, le=16)] = 0
    """GPUs of one job; its pools must have them."""
    architecture: Architecture | None = None
    """What the image is made for. Default: what the pools are."""
    shared_memory_mib: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Size of ``/dev/shm``. Default: Docker's 64."""
    ulimits: Mapping[LimitName, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Limits of the process, such as ``{ nofile = 65536 }``."""
    mounts: Mapping[HostPath, MountTarget] = Field(default_factory=dict)
    """Folders of the machine (of an image of yours, or made by it) that the program sees: ``{ "/ref" = "/ref" }``;
    ``:rw`` behind the second lets it write."""
    environment: Mapping[VariableName, str] = Field(default_factory=dict)
    """Environment variables; nothing secret."""
    secrets: Mapping[VariableName, SecretArn] = Field(default_factory=dict)
    """Environment variables whose values are secrets of Secrets Manager or parameters of Systems Manager, by ARN."""
    secret_keys: tuple[KeyArn, ...] = Field(default=(), max_length=10, strict=False)
    """Keys of yours that the secrets are encrypted with, by ARN; their policies must let this account's roles use them.
    Default: the keys of Secrets Manager and Systems Manager."""
    tags: Mapping[TagKey, TagValue] = Field(default_factory=dict)
    """Tags of the jobs, besides ours."""
    read_buckets: tuple[BucketName, ...] = Field(default=(), strict=False)
    """Buckets beside the input bucket that programs may read, and whose objects requests may name as ``s3://`` URIs."""
    input_flags: tuple[Flag, ...] = Field(default=(), strict=False)
    """Options of the program whose ``s3://`` values are inputs: what is not there is an error."""
    output_flags: tuple[Flag, ...] = Field(default=(), strict=False)
    """Options of the program whose ``s3://`` values are outputs, whether or not something is there already."""
    requires_config: str = ""
    """What people are told when they start a run without a config. Default: runs may have none."""
    requires_output: bool = False
    """Whether a run that succeeds without a result has failed. Default: it gets a warning."""
    retry: tuple[RetryRule, ...] = Field(default=(), max_length=2, strict=False)
    """Your own rules, which come before those about machines and images. AWS takes five in all."""
