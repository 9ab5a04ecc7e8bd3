"""Forms of names and addresses that several tables use."""

from typing import Annotated

from pydantic import StringConstraints

__all__ = ["Email", "EnvironmentName", "GroupName", "KeyArn", "PipelineName", "PoolName"]

# Lengths keep `dropbatch-<environment>-<pipeline>-<group>` within IAM's 64 characters for a role's name. A group's name
# is its Batch share identifier too, which takes letters and digits only.
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,11}$")]
PipelineName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]
GroupName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,15}$")]
KeyArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
