"""An IAM user for a person without single sign-on."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.iam_user import IamUser
from cdktf_cdktf_provider_aws.iam_user_policy_attachment import IamUserPolicyAttachment
from constructs import Construct

from constructs_lib.group import Group
from constructs_lib.site import Site
from dropbatch.contract.deployment import people_path

__all__ = ["User", "UserProps"]


@dataclass(frozen=True, kw_only=True)
class UserProps:
    """A name within the deployment, and what gives the rights."""

    site: Site
    name: str
    groups: Mapping[str, Group]
    """Groups by name."""


class User(Construct):
    """An IAM user ``dropbatch-<environment>-<name>`` without a key: `dropbatch invite` makes one, outside the state."""

    def __init__(self, scope: Construct, id_: str, props: UserProps) -> None:
        super().__init__(scope, id_)
        user = IamUser(
            self,
            "User",
            name=props.site.name(props.name),
            path=people_path(props.site.environment),
            permissions_boundary=props.site.boundary,
            force_destroy=True,  # or the key, which Terraform does not know, would keep the user from being removed
        )
        # Not by IAM groups: those bear no boundary, so who deploys could give their members anything.
        for name, group in props.groups.items():
            IamUserPolicyAttachment(self, f"Member-{name}", user=user.name, policy_arn=group.policy_arn)
