"""Roles that GitHub's workflows assume through OpenID Connect."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.iam_openid_connect_provider import IamOpenidConnectProvider
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from constructs import Construct

from constructs_lib import deploy_rights
from constructs_lib.boundary import Boundary, BoundaryProps
from constructs_lib.policy import policy_json
from constructs_lib.role import Role, RoleProps
from constructs_lib.site import Site
from constructs_lib.state_bucket import StateBucket

__all__ = ["GithubRoles", "GithubRolesProps"]

_HOST = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"
_DEPLOY_HOURS = 2
"""As long as the job that applies may run: ``timeout-minutes`` and ``role-duration-seconds`` in ``environment.yml``."""


@dataclass(frozen=True, kw_only=True)
class GithubRolesProps:
    """The repository, by name and by number, and what it may deploy."""

    site: Site
    state: StateBucket
    repository: str
    """``owner/name``."""
    owner_id: str
    repository_id: str
    branch: str
    environments: Sequence[str]
    create_provider: bool = True
    """Default: GitHub's identity provider is not in the account yet."""
    buckets: Sequence[str] = ()
    """Names of buckets beside their own that the environments' roles may reach."""
    secrets: Sequence[str] = ()
    """ARNs of secrets and parameters that the environments' pipelines may be given."""
    repositories: Sequence[str] = ()
    """ARNs of repositories beside their own that the environments' jobs may pull images from."""


class GithubRoles(Construct):
    """A role that may look, for pull requests; and one for each environment that may change it.

    What an environment's role makes is bounded: else it could make a role that may do everything, and take it.
    """

    def __init__(self, scope: Construct, id_: str, props: GithubRolesProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        provider = f"arn:{site.partition}:iam::{site.account}:oidc-provider/{_HOST}"
        if props.create_provider:
            provider = IamOpenidConnectProvider(
                self, "Provider", url=f"https://{_HOST}", client_id_list=[_AUDIENCE]
            ).arn
        # A policy apart, since all that a role is granted by itself must fit 10,240 characters.
        self._look = IamPolicy(
            self,
            "Look",
            name="dropbatch-bootstrap-look",
            description="How everything is set up, but nothing that is in it",
            policy=policy_json(deploy_rights.look()),
        )
        plan = self._role(
            "Plan",
            props,
            provider,
            name="dropbatch-plan",
            description="Pull requests: look, change nothing",
            subjects=["pull_request", f"ref:refs/heads/{props.branch}"],
        )
        plan.grant(*deploy_rights.find(props.state.arn, "*"))
        self.plan_arn = plan.arn
        self.deploy_arns: dict[str, str] = {}
        self.boundary_names: dict[str, str] = {}
        for environment in props.environments:
            boundary = Boundary(
                self,
                f"Boundary-{environment}",
                BoundaryProps(
                    site=site,
                    environment=environment,
                    buckets=props.buckets,
                    secrets=props.secrets,
                    repositories=props.repositories,
                ),
            )
            role = self._role(
                f"Deploy-{environment}",
                props,
                provider,
                name=f"dropbatch-deploy-{environment}",
                description=f"Deploys {environment}",
                subjects=[f"environment:{environment}"],
                session_hours=_DEPLOY_HOURS,
            )
            role.grant(*deploy_rights.find(props.state.arn, environment))
            role.grant(*deploy_rights.change(site, props.state.arn, environment, boundary.arn))
            # A policy apart, as Look is.
            network = IamPolicy(
                self,
                f"Network-{environment}",
                name=f"dropbatch-bootstrap-network-{environment}",
                description=f"Network and launch templates of {environment}",
                policy=policy_json(deploy_rights.network(site, environment)),
            )
            IamRolePolicyAttachment(self, f"Deploy-{environment}-Network", role=role.name, policy_arn=network.arn)
            self.deploy_arns[environment] = role.arn
            self.boundary_names[environment] = boundary.name

    def _role(
        self,
        id_: str,
        props: GithubRolesProps,
        provider: str,
        *,
        name: str,
        description: str,
        subjects: Sequence[str],
        session_hours: int | None = None,
    ) -> Role:
        owner, repository = props.repository.split("/")
        # Since 15 July 2026 new and renamed repositories' tokens say the numbers too: both forms are taken.
        forms = (props.repository, f"{owner}@{props.owner_id}/{repository}@{props.repository_id}")
        role = Role(
            self,
            id_,
            RoleProps(
                name=name,
                description=description,
                federated=provider,
                session_hours=session_hours,
                conditions={
                    "StringEquals": {
                        f"{_HOST}:aud": _AUDIENCE,
                        f"{_HOST}:sub": [f"repo:{form}:{subject}" for form in forms for subject in subjects],
                    }
                },
            ),
        )
        IamRolePolicyAttachment(self, f"{id_}-Look", role=role.name, policy_arn=self._look.arn)
        return role
