"""What a deploy needs, by service: to look at everything, to change what bears an environment's name."""

from constructs_lib.policy import Statement
from constructs_lib.site import Site
from dropbatch.contract.deployment import people_path

__all__ = ["change", "find", "look"]

_LOOK = [
    "batch:Describe*",
    "batch:List*",
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
    "CreateRoute",
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
    """Read how everything is set up, but nothing that is in it."""
    return [Statement(sid="Look", actions=_LOOK, resources=["*"])]  # most have no resource level


def find(state: str, environment: str) -> list[Statement]:
    """Find what an environment (``*``: each) has, and read its state."""
    return [
        Statement(
            sid="ReadParameters", actions=["ssm:GetParameter*"], resources=["arn:*:ssm:*:*:parameter/dropbatch/*"]
        ),
        # Without, S3 says of no bucket that it is there, and a plan would make it anew.
        Statement(
            sid="FindBuckets", actions=["s3:ListBucket"], resources=[state, f"arn:*:s3:::dropbatch-{environment}-*"]
        ),
        Statement(sid="ReadState", actions=["s3:GetObject"], resources=[f"{state}/dropbatch/{environment}.tfstate"]),
    ]


def change(site: Site, state: str, environment: str, boundary: str) -> list[Statement]:
    """Make, change and delete what bears the environment's name; roles only such as bear the boundary (its ARN)."""
    name = f"dropbatch-{environment}"
    iam = f"arn:{site.partition}:iam::{site.account}"
    roles = [f"{iam}:role/{name}-*", f"{iam}:role/{name}.*"]
    tagged = {"StringEquals": {"aws:ResourceTag/research-stack-id": name}}
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
            "CreateTopic DeleteTopic SetTopicAttributes Subscribe Unsubscribe SetSubscriptionAttributes "
            "TagResource UntagResource",
            site.arn("sns", f"{name}-*"),
        ),
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
                "StringEquals": {"aws:RequestTag/research-stack-id": name},
            },
        ),
        # Named by number; the tag says whose.
        Statement(
            sid="OwnNetwork", actions=[f"ec2:{action}" for action in _NETWORK_LATER], resources=["*"], conditions=tagged
        ),
        # The smoke test after a deploy: one file of that name, its result, and what the ledger says meanwhile.
        _on("Try", "s3", "PutObject GetObject", f"arn:{site.partition}:s3:::{name}-*put-*/*/smoke-*"),
        _on("Follow", "dynamodb", "GetItem BatchGetItem Query", site.arn("dynamodb", f"table/{name}-ledger*")),
        _on("State", "s3", "PutObject DeleteObject", f"{state}/dropbatch/{environment}.tfstate*"),
        _on("Lock", "s3", "GetObject", f"{state}/dropbatch/{environment}.tfstate.tflock"),
    ]


def _on(sid: str, service: str, actions: str, *resources: str) -> Statement:
    with_objects = [*resources, *(f"{each}/*" for each in resources)] if sid == "Buckets" else resources
    return Statement(sid=sid, actions=[f"{service}:{action}" for action in actions.split()], resources=with_objects)
