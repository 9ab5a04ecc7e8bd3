"""An IAM role that one service may assume, and its rights."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from constructs_lib.policy import Statement, policy_json

__all__ = ["Role", "RoleProps"]


@dataclass(frozen=True, kw_only=True)
class RoleProps:
    """Who takes the role, and its name (at most 64 characters, unique in the account)."""

    name: str
    description: str
    service: str | None = None
    """The service that may assume it, such as ``lambda.amazonaws.com``."""
    federated: str | None = None
    """Or else: the ARN of the identity provider whose identities may, under the conditions."""
    conditions: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=dict)
    """Further conditions on assuming it. Default: none."""
    session_hours: int | None = None
    """Longest session that may be asked for, 1 to 12 hours. Default: AWS's, one hour
    (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html)."""
    boundary: str | None = None
    """ARN of the policy that says the most the role can do, whatever it is granted. Default: none."""


class Role(Construct):
    """A role whose one inline policy is the sum of its grants."""

    def __init__(self, scope: Construct, id_: str, props: RoleProps) -> None:
        super().__init__(scope, id_)
        self._statements: list[Statement] = []
        self._policy: IamRolePolicy | None = None
        self._waiting = False
        trust = Statement(
            sid="Assume",
            actions=["sts:AssumeRoleWithWebIdentity" if props.federated else "sts:AssumeRole"],
            service=props.service,
            federated=props.federated,
            conditions=props.conditions,
        )
        self.resource = IamRole(
            self,
            "Role",
            name=props.name,
            description=props.description,
            assume_role_policy=policy_json([trust]),
            max_session_duration=None if props.session_hours is None else props.session_hours * 3600,
            permissions_boundary=props.boundary,
        )
        # What cdktf would give for these, without a call to its Node process for each: roles are what there is most of.
        address = f"aws_iam_role.{self.resource.friendly_unique_id}"
        self.name = f"${{{address}.name}}"
        self.arn = f"${{{address}.arn}}"
        self._id = f"${{{address}.id}}"

    @property
    def rights(self) -> list[Construct]:
        """What has to exist before the role can be used: to be put in ``depends_on``."""
        return [self._policy] if self._policy is not None else [self.resource]

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Write the policy once, when the block with its grants ends."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False
        self._write()

    def grant(self, *statements: Statement) -> None:
        """Add rights. Called by the construct that knows them, on behalf of the stack that decides."""
        self._statements += [each for each in statements if each not in self._statements]
        if not self._waiting:
            self._write()

    def _write(self) -> None:
        document = policy_json(self._statements)
        if self._policy is None:
            self._policy = IamRolePolicy(self, "Grants", name="grants", role=self._id, policy=document)
        else:
            self._policy.policy = document
