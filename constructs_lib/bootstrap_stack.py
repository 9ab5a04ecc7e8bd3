"""The bootstrap stack, one per account: the state bucket and the roles that deploy."""

from dataclasses import dataclass

from cdktf import LocalBackend, TerraformOutput, TerraformStack
from cdktf_cdktf_provider_aws.iam_service_linked_role import IamServiceLinkedRole
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from constructs import Construct

from constructs_lib.github_roles import GithubRoles, GithubRolesProps
from constructs_lib.site import Site, SiteProps
from constructs_lib.state_bucket import StateBucket, StateBucketProps
from dropbatch.settings import Bootstrap

__all__ = ["BootstrapStack", "BootstrapStackProps"]


@dataclass(frozen=True, kw_only=True)
class BootstrapStackProps:
    """The file ``bootstrap.toml``."""

    settings: Bootstrap


class BootstrapStack(TerraformStack):
    """State bucket, service-linked roles, and roles for GitHub's workflows."""

    def __init__(self, scope: Construct, id_: str, props: BootstrapStackProps) -> None:
        super().__init__(scope, id_)
        account, github = props.settings.account, props.settings.github
        AwsProvider(
            self,
            "Aws",
            region=account.region,
            default_tags=[AwsProviderDefaultTags(tags={"research-stack-id": "dropbatch-bootstrap"})],
            allowed_account_ids=None if account.account_id is None else [account.account_id],
        )
        self.add_override("terraform.required_version", ">= 1.11")
        # What holds all other states cannot hold its own. It is small, and can be imported anew.
        LocalBackend(self, path="../../../terraform.bootstrap.tfstate")
        site = Site(
            self, "Site", SiteProps(prefix="dropbatch-bootstrap", environment="bootstrap", region=account.region)
        )
        state = StateBucket(self, "State", StateBucketProps(site=site))
        for service in account.service_linked_roles:
            short = service.split(".")[0]
            IamServiceLinkedRole(
                self,
                f"ServiceRole-{short}",
                aws_service_name=service,
                lifecycle={"ignore_changes": ["description"]},  # AWS has one of its own
            )
        TerraformOutput(self, "state_bucket", value=state.name, description="For [state] bucket in environment files")
        if github is None:
            return
        roles = GithubRoles(
            self,
            "Github",
            GithubRolesProps(
                site=site,
                state=state,
                repository=github.repository,
                owner_id=github.owner_id,
                repository_id=github.repository_id,
                branch=github.branch,
                environments=github.environments,
                create_provider=github.create_provider,
                buckets=github.buckets,
                secrets=github.secrets,
                repositories=github.repositories,
            ),
        )
        TerraformOutput(self, "plan_role", value=roles.plan_arn, description="For pull requests")
        for environment, arn in roles.deploy_arns.items():
            TerraformOutput(
                self, f"deploy_role_{environment}", value=arn, description=f"For the GitHub Environment {environment}"
            )
        for environment, name in roles.boundary_names.items():
            TerraformOutput(
                self,
                f"boundary_{environment}",
                value=name,
                description=f"For [environment] permissions_boundary in environments/{environment}.toml",
            )
