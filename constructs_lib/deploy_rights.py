"""Rights of a deploy, by service: read everything; modify only the environment's resources."""

from constructs_lib.policy import Statement
from constructs_lib.site import Site
from dropbatch.contract.deployment import people_path

__all__ = ["change", "find", "look", "network"]

_LOOK = [
    "batch:Describe*",
    "batch:List*",
    "billing:GetBillingViewData",  # ViewBudget depends on it
    "budgets:ViewBudget",
    "budgets:ListTagsForResource",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource",
    "dynamodb:Describe*",
    "dynamodb:ListTagsOfResource",
    "ec2:Describe*",
    "ecr:Describe*",
    "ecr:GetLifecyclePolicy",
    "ecr:ListTagsForResource",
    "events:Describe*",
    "events:List*",
    "iam:GetRole*",
    "iam:GetInstanceProfile",
    "iam:GetOpenIDConnectProvider",
    "iam:GetPolicy*",
    "iam:GetUser",
    "iam:List*",
    "kms:DescribeKey",
    "lambda:GetFunction*",
    "lambda:GetEventSourceMapping",
    "lambda:GetPolicy",
    "lambda:List*",
    "logs:Describe*",
    "logs:ListTagsForResource",
    "s3:Get*Configuration",
    "s3:GetBucket*",
    "sns:GetTopicAttributes",
    "sns:GetSubscriptionAttributes",
    "sns:List*",
    "sqs:GetQueue*",
    "sqs:ListQueueTags",
    "ssm:DescribeParameters",
    "ssm:ListTagsForResource",
]

_NETWORK = [
    "CreateVpc",
    "CreateSubnet",
    "CreateRouteTable",
    "CreateInternetGateway",
    "CreateNatGateway",
    "CreateSecurityGroup",
    "CreateVpcEndpoint",
    "CreateFlowLogs",
    "CreateLaunchTemplate",
    "AllocateAddress",
]

_NETWORK_LATER = [
    "AssociateRouteTable",
    "AttachInternetGateway",
    "AuthorizeSecurityGroupEgress",
    "CreateLaunchTemplateVersion",
    "CreateRoute",
    "CreateTags",
    "DeleteFlowLogs",
    "DeleteInternetGateway",
    "DeleteLaunchTemplate*",
    "DeleteNatGateway",
    "DeleteRoute",
    "DeleteRouteTable",
    "DeleteSecurityGroup",
    "DeleteSubnet",
    "DeleteTags",
    "DeleteVpc",
    "DeleteVpcEndpoints",
    "DetachInternetGateway",
    # When an address is deleted whose NAT gateway is gone already:
    # https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/service/ec2/ec2_eip.go
    "DisassociateAddress",
    "DisassociateRouteTable",
    "ModifyLaunchTemplate",
    "ModifySecurityGroupRules",
    "ModifySubnetAttribute",
    "ModifyVpcAttribute",
    "ModifyVpcEndpoint",
    "ReleaseAddress",
    "ReplaceRoute",
    "RevokeSecurityGroup*",
]


def look() -> list[Statement]:
    """Return the rights to read the configuration of all resources, but no data in them."""
    return [Statement(sid="Look", actions=_LOOK, resources=["*"])]  # most do not support resource-level permissions


def find(state: str, environment: str) -> list[Statement]:
    """Return the rights to find the resources of an environment (``*``: of each) and to read its state."""
    return [
        Statement(
            sid="ReadParameters", actions=["ssm:GetParameter*"], resources=["arn:*:ssm:*:*:parameter/dropbatch/*"]
        ),
        # Without ListBucket every bucket looks missing, and a plan would create it again.
        Statement(
            sid="FindBuckets", actions=["s3:ListBucket"], resources=[state, f"arn:*:s3:::dropbatch-{environment}-*"]
        ),
        Statement(sid="ReadState", actions=["s3:GetObject"], resources=[f"{state}/dropbatch/{environment}.tfstate"]),
    ]


def change(site: Site, state: str, environment: str, boundary: str) -> list[Statement]:
    """Return the rights to modify resources with the environment's name, and roles with its boundary (an ARN)."""
    name = f"dropbatch-{environment}"
    iam = f"arn:{site.partition}:iam::{site.account}"
    roles = [f"{iam}:role/{name}-*", f"{iam}:role/{name}.*"]
    tagged = {"StringEquals": {"aws:ResourceTag/research-stack-id": name}}
    requested = {"StringEquals": {"aws:RequestTag/research-stack-id": name}}
    people = people_path(environment)
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    return [
        _on(
            "Buckets",
            "s3",
            "CreateBucket DeleteBucket PutBucket* PutEncryptionConfiguration PutLifecycleConfiguration "
            "DeleteBucketPolicy ListBucket ListBucketVersions DeleteObject DeleteObjectVersion",
            f"arn:{site.partition}:s3:::{name}-*",
        ),
        _on(
            "Queues",
            "sqs",
            "CreateQueue DeleteQueue SetQueueAttributes TagQueue UntagQueue",
            site.arn("sqs", f"{name}-*"),
        ),
        _on(
            "Topics",
            "sns",
            "CreateTopic DeleteTopic SetTopicAttributes Subscribe TagResource UntagResource",
            site.arn("sns", f"{name}-*"),
        ),
        # Have no resource level: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html.
        _on("Subscriptions", "sns", "Unsubscribe SetSubscriptionAttributes", "*"),
        _on(
            "Tables",
            "dynamodb",
            "CreateTable DeleteTable UpdateTable UpdateContinuousBackups UpdateTimeToLive TagResource UntagResource",
            site.arn("dynamodb", f"table/{name}-*"),
        ),
        _on(
            "Functions",
            "lambda",
            "CreateFunction DeleteFunction UpdateFunctionCo* AddPermission RemovePermission TagResource UntagResource",
            site.arn("lambda", f"function:{name}-*"),
        ),
        Statement(
            sid="EventSources",
            actions=[f"lambda:{verb}EventSourceMapping" for verb in ("Create", "Update", "Delete")],
            resources=["*"],  # named by number; the condition says whose
            conditions={"ArnLike": {"lambda:FunctionArn": site.arn("lambda", f"function:{name}-*")}},
        ),
        # AWS checks the tags of a new mapping on `event-source-mapping:*`, since it has no id yet:
        # https://github.com/aws-samples/sample-autonomous-cloud-coding-agents/pull/408
        Statement(
            sid="TagNewEventSources",
            actions=["lambda:TagResource"],
            resources=[site.arn("lambda", "event-source-mapping:*")],
            conditions=requested,
        ),
        Statement(
            sid="TagEventSources",
            actions=["lambda:TagResource", "lambda:UntagResource"],
            resources=[site.arn("lambda", "event-source-mapping:*")],
            conditions=tagged,
        ),
        _on(
            "Rules",
            "events",
            "PutRule DeleteRule PutTargets RemoveTargets TagResource UntagResource",
            site.arn("events", f"rule/{name}-*"),
        ),
        _on(
            "Logs",
            "logs",
            "CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy TagResource UntagResource",
            *(
                site.arn("logs", f"log-group:{prefix}*")
                for prefix in (f"/dropbatch/{environment}/", f"/aws/lambda/{name}-", f"/aws/events/{name}/")
            ),
        ),
        # Has no resource level.
        _on("LogPolicies", "logs", "PutResourcePolicy DeleteResourcePolicy", "*"),
        _on(
            "Watch",
            "cloudwatch",
            "PutMetricAlarm DeleteAlarms PutDashboard DeleteDashboards TagResource UntagResource",
            site.arn("cloudwatch", f"alarm:{name}-*"),
            f"arn:{site.partition}:cloudwatch::{site.account}:dashboard/{name}",
        ),
        _on(
            "Batch",
            "batch",
            "CreateComputeEnvironment UpdateComputeEnvironment DeleteComputeEnvironment CreateJobQueue "
            "UpdateJobQueue DeleteJobQueue CreateSchedulingPolicy UpdateSchedulingPolicy DeleteSchedulingPolicy "
            "RegisterJobDefinition TagResource UntagResource",
            *(
                site.arn("batch", f"{kind}/{name}-*")
                for kind in ("compute-environment", "job-queue", "scheduling-policy", "job-definition")
            ),
        ),
        # Has no resource level.
        _on("OldDefinitions", "batch", "DeregisterJobDefinition", "*"),
        _on(
            "Images",
            "ecr",
            "CreateRepository DeleteRepository PutLifecyclePolicy DeleteLifecyclePolicy "
            "PutImage* TagResource UntagResource InitiateLayerUpload "
            "UploadLayerPart CompleteLayerUpload BatchCheckLayerAvailability GetDownloadUrlForLayer "
            "BatchGetImage",
            site.arn("ecr", f"repository/{name}"),
        ),
        # Has no resource level.
        _on("LogInToRegistry", "ecr", "GetAuthorizationToken", "*"),
        _on(
            "Pointers",
            "ssm",
            "PutParameter DeleteParameter AddTagsToResource RemoveTagsFromResource",
            site.arn("ssm", f"parameter/dropbatch/{environment}"),
        ),
        _on(
            "Budget",
            "budgets",
            "ModifyBudget TagResource UntagResource",
            f"arn:{site.partition}:budgets::{site.account}:budget/{name}",
        ),
        # Whatever such a role is granted, it can do no more than the boundary says; nobody here may change that.
        Statement(
            sid="Bounded",
            actions=[
                f"iam:{verb}"
                for kind in ("Role", "User")
                for verb in (f"Create{kind}", f"Attach{kind}Policy", f"Put{kind}PermissionsBoundary")
            ]
            + ["iam:PutRolePolicy"],
            resources=[*roles, f"{iam}:user{people}*"],
            conditions=bounded,
        ),
        _on(
            "Identities",
            "iam",
            "DeleteRole DeleteRolePolicy DetachRolePolicy UpdateAssumeRolePolicy UpdateRole* TagRole UntagRole "
            "DeleteUser DetachUserPolicy DeleteAccessKey DeleteLoginProfile DeactivateMFADevice TagUser UntagUser "
            "*InstanceProfile",
            *roles,
            f"{iam}:user{people}*",
            f"{iam}:instance-profile/{name}-*",
        ),
        # Of groups; the boundary has another path.
        _on(
            "Policies",
            "iam",
            "CreatePolicy DeletePolicy CreatePolicyVersion DeletePolicyVersion TagPolicy UntagPolicy",
            f"{iam}:policy{people}*",
        ),
        # Batch takes the machines' role by its profile, and asks for the right to pass either.
        Statement(
            sid="PassRoles",
            actions=["iam:PassRole"],
            resources=[*roles, f"{iam}:instance-profile/{name}-*"],
            conditions={
                "StringEquals": {
                    "iam:PassedToService": [
                        f"{service}.amazonaws.com"
                        for service in ("lambda", "batch", "ec2", "ecs-tasks", "vpc-flow-logs", "events")
                    ]
                }
            },
        ),
        # The smoke test after a deploy: one file of that name, its result, and what the ledger says meanwhile.
        _on("Try", "s3", "PutObject GetObject", f"arn:{site.partition}:s3:::{name}-*put-*/*/smoke-*"),
        # Buckets with a key of the lab (`storage.kms_key_arn`) demand these of who reads and writes; whichever the key:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
        Statement(
            sid="TryWithKey",
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=["*"],
            conditions={
                "StringLike": {
                    "kms:EncryptionContext:aws:s3:arn": f"arn:{site.partition}:s3:::{name}-*",
                    "kms:ViaService": "s3.*.amazonaws.com",
                }
            },
        ),
        _on("Follow", "dynamodb", "GetItem BatchGetItem Query", site.arn("dynamodb", f"table/{name}-ledger*")),
        _on("State", "s3", "PutObject DeleteObject", f"{state}/dropbatch/{environment}.tfstate*"),
        _on("Lock", "s3", "GetObject", f"{state}/dropbatch/{environment}.tfstate.tflock"),
    ]


def network(site: Site, environment: str) -> list[Statement]:
    """Return the rights to modify the environment's network and launch templates, whose ids AWS chooses."""
    name = f"dropbatch-{environment}"
    tagged = {"StringEquals": {"aws:ResourceTag/research-stack-id": name}}
    requested = {"StringEquals": {"aws:RequestTag/research-stack-id": name}}
    return [
        # What does not exist yet has no tag to go by; the network's parts are named by number.
        _on("NewNetwork", "ec2", " ".join(_NETWORK), "*"),
        # Tags say whose a thing is: they are given with its creation, or to what has none, as a VPC's default group.
        Statement(
            sid="TagNew",
            actions=["ec2:CreateTags"],
            resources=["*"],
            conditions={"StringEquals": {"ec2:CreateAction": [*_NETWORK, "AuthorizeSecurityGroupEgress"]}},
        ),
        Statement(
            sid="ClaimDefaultGroup",
            actions=["ec2:CreateTags"],
            resources=[site.arn("ec2", "security-group/*")],
            conditions={
                "Null": {"aws:ResourceTag/research-stack-id": "true"},
                **requested,
            },
        ),
        # AWS checks the call on the group, which OwnNetwork grants, and on the new rule, whose tags are the request's:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
        Statement(
            sid="NewRules",
            actions=["ec2:AuthorizeSecurityGroupEgress"],
            resources=[site.arn("ec2", "security-group-rule/*")],
            conditions=requested,
        ),
        # Named by number; the tag says whose.
        Statement(
            sid="OwnNetwork", actions=[f"ec2:{action}" for action in _NETWORK_LATER], resources=["*"], conditions=tagged
        ),
    ]


def _on(sid: str, service: str, actions: str, *resources: str) -> Statement:
    with_objects = [*resources, *(f"{each}/*" for each in resources)] if sid == "Buckets" else resources
    return Statement(sid=sid, actions=[f"{service}:{action}" for action in actions.split()], resources=with_objects)
