"""The registry of images."""

from dataclasses import dataclass

from cdktf_cdktf_provider_aws.ecr_lifecycle_policy import EcrLifecyclePolicy
from cdktf_cdktf_provider_aws.ecr_repository import EcrRepository
from constructs import Construct

from constructs_lib.json_text import json_text
from constructs_lib.policy import Statement
from constructs_lib.role import Role
from constructs_lib.site import Site

__all__ = ["Registry", "RegistryProps"]


@dataclass(frozen=True, kw_only=True)
class RegistryProps:
    """The registry of a deployment."""

    site: Site


class Registry(Construct):
    """One repository. A tag, once pushed, never means another image; tagged images are kept for reruns years later."""

    def __init__(self, scope: Construct, id_: str, props: RegistryProps) -> None:
        super().__init__(scope, id_)
        repository = EcrRepository(
            self,
            "Repository",
            name=props.site.prefix,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            force_delete=props.site.disposable,
        )
        self.name: str = repository.name
        self.arn: str = repository.arn
        self.url: str = repository.repository_url
        expiry = EcrLifecyclePolicy(
            self,
            "ExpireUntagged",
            repository=repository.name,
            policy=json_text(
                {
                    "rules": [
                        {
                            "rulePriority": 1,
                            "description": "layers of pushes that did not complete",
                            "selection": {
                                "tagStatus": "untagged",
                                "countType": "sinceImagePushed",
                                "countUnit": "days",
                                "countNumber": 14,
                            },
                            "action": {"type": "expire"},
                        }
                    ]
                }
            ),
        )
        self.whole = [repository, expiry]
        """What makes the registry what it is."""

    def grant_pull(self, role: Role, *others: str) -> None:
        """Let a role pull images, and those of other repositories, by ARN."""
        role.grant(
            # Has no resource level: the token is good for what the other rights allow.
            Statement(sid="LogInToRegistry", actions=["ecr:GetAuthorizationToken"], resources=["*"]),
            Statement(
                sid="PullImages",
                actions=["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
                resources=[self.arn, *others],
            ),
        )
