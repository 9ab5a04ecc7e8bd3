"""The role of a group's members, and its rights."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from constructs import Construct

from constructs_lib.ledger import Ledger
from constructs_lib.log_group import LogGroup
from constructs_lib.pointers import Pointers
from constructs_lib.policy import Statement, policy_json
from constructs_lib.reachable import Reachable
from constructs_lib.rights import Rights
from constructs_lib.site import Site
from dropbatch.contract.deployment import people_path

__all__ = ["Group", "GroupProps", "Places"]

_TWELVE_HOURS = 12 * 3600  # an upload of a day's data outlasts AWS's default of one


@dataclass(frozen=True, kw_only=True)
class Places:
    """What of a deployment people work with."""

    inputs: Reachable
    outputs: Reachable
    ledger: Ledger
    job_logs: LogGroup
    pointers: Pointers


@dataclass(frozen=True, kw_only=True)
class GroupProps:
    """A group of people."""

    site: Site
    name: str
    places: Places
    members: Sequence[str] = ()
    """ARNs, which may hold ``*``, of those who may take the group's role. Default: there is no role."""
    read_prefixes: Sequence[str] = ()
    """Folders of the input bucket that are not the group's and that it may read."""


class Group(Construct):
    """A managed policy, which anybody's role may have attached; a role with it for members."""

    def __init__(self, scope: Construct, id_: str, props: GroupProps) -> None:
        super().__init__(scope, id_)
        name = props.site.name(props.name)
        policy = IamPolicy(
            self,
            "Policy",
            name=name,
            path=people_path(props.site.environment),
            description=f"What members of group {props.name} may do",
            policy=_rights(props).policy,
        )
        self.policy_arn: str = policy.arn
        if props.members:
            role = IamRole(
                self,
                "Role",
                # The dot keeps the name apart from those of job roles.
                name=f"{name}.members",
                description=f"Members of group {props.name}",
                assume_role_policy=_trust(props.members),
                permissions_boundary=props.site.boundary,
                max_session_duration=_TWELVE_HOURS,
            )
            IamRolePolicyAttachment(self, "RoleRights", role=role.name, policy_arn=self.policy_arn)


def _trust(members: Sequence[str]) -> str:
    # The members' accounts are trusted on condition, instead of the members by name: a principal by name must exist
    # when the role is made, is lost when it is deleted and made again, and cannot hold `*`.
    accounts = sorted({":".join([*member.split(":")[:5], "root"]) for member in members})
    return policy_json(
        [
            Statement(
                sid="Assume",
                actions=["sts:AssumeRole"],
                accounts=accounts,
                conditions={"ArnLike": {"aws:PrincipalArn": sorted(members)}},
            )
        ]
    )


def _rights(props: GroupProps) -> Rights:
    """What people need to upload, ask, watch and fetch; neither queues nor Batch, and nothing of another group."""
    rights, places, own = Rights(), props.places, f"{props.name}/"
    places.inputs.grant(rights, "ReadInputs", ["GetObject", "GetObjectVersion"], own, *props.read_prefixes)
    # Versions stay: what is deleted can be brought back by whoever runs the deployment.
    uploading = ["PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts"]
    places.inputs.grant(rights, "WriteInputs", uploading, own)
    places.outputs.grant(rights, "ReadResults", ["GetObject", "GetObjectVersion"], own)
    places.inputs.grant_list_below(rights, "ListInputs", own, *props.read_prefixes)
    places.outputs.grant_list_below(rights, "ListResults", own)
    places.ledger.grant_reading_of(rights, props.name)
    places.job_logs.grant_read(rights, own)
    places.pointers.grant_read(rights)
    return rights
