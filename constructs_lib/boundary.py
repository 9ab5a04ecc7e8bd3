"""Permissions boundary of an environment's roles: no role that a deploy creates can have more rights."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from constructs import Construct

from constructs_lib.policy import Statement, policy_json
from constructs_lib.site import Site

__all__ = ["Boundary", "BoundaryProps", "boundary_name"]


@dataclass(frozen=True, kw_only=True)
class BoundaryProps:
    """The environment, and what its roles may reach beside what bears its name."""

    site: Site
    environment: str
    buckets: Sequence[str] = ()
    """Names of further buckets, with ``*`` if need be: an existing input bucket, reference data."""
    secrets: Sequence[str] = ()
    """ARNs of secrets and parameters, with ``*`` if need be."""
    repositories: Sequence[str] = ()
    """ARNs of further repositories of images, with ``*`` if need be."""


def boundary_name(environment: str) -> str:
    """Name of the policy, for ``environment.permissions_boundary``."""
    return f"dropbatch-boundary-{environment}"


class Boundary(Construct):
    """A managed policy for use as permissions boundary. It grants nothing by itself."""

    def __init__(self, scope: Construct, id_: str, props: BoundaryProps) -> None:
        super().__init__(scope, id_)
        policy = IamPolicy(
            self,
            "Policy",
            name=boundary_name(props.environment),
            description=f"The most that roles of dropbatch {props.environment} may be given",
            policy=policy_json([*_data(props), *_system(props.site, props.environment), *_machines(props)]),
        )
        self.name: str = policy.name
        # By its name, not by the resource: who may do what stays readable in a plan.
        self.arn = f"arn:{props.site.partition}:iam::{props.site.account}:policy/{boundary_name(props.environment)}"


def _data(props: BoundaryProps) -> list[Statement]:
    site, name = props.site, f"dropbatch-{props.environment}"
    buckets = [f"arn:{site.partition}:s3:::{each}" for each in (f"{name}-*", *props.buckets)]
    found = [
        Statement(
            sid="Objects",
            actions=["s3:Get*", "s3:List*", "s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload"],
            resources=[*buckets, *(f"{each}/*" for each in buckets)],
        ),
        Statement(
            sid="Keys",
            actions=["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:DescribeKey"],
            resources=["*"],  # a key may be any; what it opens is limited by the rest
        ),
        Statement(
            sid="Ledger",
            actions=[f"dynamodb:{action}" for action in ["*Item", "BatchGet*", "Query", "Scan", "DescribeTable"]],
            resources=[site.arn("dynamodb", f"table/{name}-*")],
        ),
    ]
    if props.secrets:
        actions = ["secretsmanager:GetSecretValue", "ssm:GetParameters"]
        found.append(Statement(sid="Secrets", actions=actions, resources=props.secrets))
    return found


def _system(site: Site, environment: str) -> list[Statement]:
    name = f"dropbatch-{environment}"
    logs = (f"/dropbatch/{environment}/", f"/aws/lambda/{name}-", f"/aws/events/{name}/")
    kinds = ("job-queue", "job-definition", "compute-environment", "scheduling-policy")
    return [
        Statement(
            sid="Messages",
            actions=[f"sqs:{verb}" for verb in ("*Message", "ChangeMessage*", "GetQueue*")],
            resources=[site.arn("sqs", f"{name}-*")],
        ),
        Statement(sid="Notices", actions=["sns:Publish"], resources=[site.arn("sns", f"{name}-*")]),
        Statement(sid="Events", actions=["events:PutEvents"], resources=[site.arn("events", "event-bus/default")]),
        Statement(
            sid="Invoke", actions=["lambda:InvokeFunction"], resources=[site.arn("lambda", f"function:{name}-*")]
        ),
        Statement(
            sid="Pointers",
            actions=["ssm:GetParameter*"],
            resources=[site.arn("ssm", f"parameter/dropbatch/{environment}*")],
        ),
        Statement(
            sid="Logs",
            actions=["logs:CreateLogStream", "logs:PutLogEvents", "logs:Get*", "logs:Describe*", "logs:Filter*"],
            resources=[site.arn("logs", f"log-group:{prefix}*") for prefix in logs],
        ),
        # Have no resource level, or jobs' ids, which are Batch's.
        Statement(
            sid="Jobs",
            actions=["batch:Describe*", "batch:List*", "batch:CancelJob", "batch:TerminateJob", "batch:TagResource"],
            resources=["*"],
        ),
        Statement(
            sid="Batch",
            actions=["batch:SubmitJob", "batch:UpdateJobQueue", "batch:UpdateComputeEnvironment"],
            resources=[site.arn("batch", f"{kind}/{name}-*") for kind in kinds],
        ),
        # SubmitJob is authorized on its queue and definition, and on the job to be as well, whose id Batch gives:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html
        Statement(sid="NewJobs", actions=["batch:SubmitJob"], resources=[site.arn("batch", "job/*")]),
    ]


def _machines(props: BoundaryProps) -> list[Statement]:
    site, name = props.site, f"dropbatch-{props.environment}"
    return [
        Statement(
            sid="Images",
            actions=["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
            resources=[site.arn("ecr", f"repository/{name}"), *props.repositories],
        ),
        Statement(
            sid="Agents",
            actions=[
                "ecr:GetAuthorizationToken",
                "ecs:DiscoverPollEndpoint",
                "ssm:UpdateInstanceInformation",
                "ssmmessages:Create*",
                "ssmmessages:Open*",
            ],
            resources=["*"],  # have no resource level
        ),
        Statement(
            sid="Cluster",
            actions=[f"ecs:{verb}*" for verb in ("Register", "Deregister", "Submit", "Poll", "Start", "Update", "Tag")],
            resources=[site.arn("ecs", f"{kind}/*{name}-*") for kind in ("cluster", "container-instance")],
        ),
    ]
