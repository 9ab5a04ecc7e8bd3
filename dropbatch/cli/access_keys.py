"""Access keys of the people who have IAM users in a deployment. They are stored nowhere but in AWS."""

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
        """Lines for the file ``~/.aws/credentials``."""
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
        CliError: there is a key already, and it is not to be replaced.
    """
    user = resource_name(environment, person)
    try:
        iam.get_user(UserName=user)
    except iam.exceptions.NoSuchEntityException:
        raise NotFoundError(
            f"{environment} has no user named {person}: add the name to users of a [group.<name>] in "
            f"environments/{environment}.toml and deploy"
        ) from None
    found = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    if found and not replace:
        since = min(each["CreateDate"] for each in found)
        raise CliError(f"{person} has a key since {since:%Y-%m-%d}: --replace ends it and makes a new one")
    for each in found:
        iam.delete_access_key(UserName=user, AccessKeyId=each["AccessKeyId"])
    made = iam.create_access_key(UserName=user)["AccessKey"]
    return AccessKey(user=user, key_id=made["AccessKeyId"], secret=made["SecretAccessKey"])
