"""Create access keys for people who have IAM users in a deployment. Keys are stored only in AWS."""

from dataclasses import dataclass
from typing import Any

from dropbatch.cli.errors import CliError, NotFoundError
from dropbatch.contract.deployment import resource_name

__all__ = ["AccessKey", "make_key"]


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """An access key; AWS shows the secret only once."""

    user: str
    """Name of the IAM user."""
    key_id: str
    secret: str

    def profile(self, name: str, region: str) -> str:
        """Return the lines for the file ``~/.aws/credentials``."""
        return "\n".join(
            [
                f"[{name}]",
                f"aws_access_key_id = {self.key_id}",
                f"aws_secret_access_key = {self.secret}",
                f"region = {region}",
            ]
        )


def make_key(iam: Any, environment: str, person: str, *, replace: bool) -> AccessKey:
    """Create the access key of a person; with `replace`, delete the earlier ones.

    Raises:
        NotFoundError: the deployment has no such user.
        CliError: the person has a key already, and `replace` is false.
    """
    user = resource_name(environment, person)
    try:
        iam.get_user(UserName=user)
    except iam.exceptions.NoSuchEntityException:
        raise NotFoundError(
            f"{environment} has no user named {person}: add the name to users of a [group.<name>] in "
            f"environments/{environment}.toml and deploy"
        ) from None
    existing = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    if existing and not replace:
        since = min(each["CreateDate"] for each in existing)
        raise CliError(f"{person} has had a key since {since:%Y-%m-%d}: --replace deletes it and creates a new one")
    for each in existing:
        iam.delete_access_key(UserName=user, AccessKeyId=each["AccessKeyId"])
    created = iam.create_access_key(UserName=user)["AccessKey"]
    return AccessKey(user=user, key_id=created["AccessKeyId"], secret=created["SecretAccessKey"])
