"""Table of additional permissions: call, action and resource, for tags on creation, passed roles and similar."""

from dataclasses import dataclass

from dropbatch.sandbox.demands.call import Call, Demand, tag_context

__all__ = ["ROWS", "Row", "row_demands"]

_DOCS = "https://docs.aws.amazon.com"
_REFERENCE = f"{_DOCS}/service-authorization/latest/reference/list_"
_PASS_ROLE = f"{_DOCS}/IAM/latest/UserGuide/id_roles_use_passrole.html"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One additional permission that a call needs."""

    call: str
    """IAM's name of the call."""
    demands: str
    """The further action."""
    given: str
    """Path of the member of the request (see `Call.values`) without which nothing more is demanded."""
    on: str = "{resource}"
    """ARN: ``{resource}`` is the call's own, ``{value}`` what is `given`, ``{region}`` and ``{account}`` the call's."""
    passed_to: tuple[str, ...] = ()
    """Service principals that ``iam:PassedToService`` may be: one check for each, as AWS documents no single one."""
    source: str
    """Where AWS says so."""

    @property
    def tags(self) -> bool:
        """Return whether the call needs this permission because it sets tags."""
        return ":Tag" in self.demands or self.demands.endswith(":AddTagsToResource")


ROWS = (
    Row(
        call="lambda:CreateFunction",
        demands="lambda:TagResource",
        given="Tags",
        source=f"{_DOCS}/lambda/latest/dg/configuration-tags.html",
    ),
    Row(
        call="lambda:CreateFunction",
        demands="iam:PassRole",
        given="Role",
        on="{value}",
        passed_to=("lambda.amazonaws.com",),
        source=f"{_REFERENCE}awslambda.html",
    ),
    Row(
        call="lambda:UpdateFunctionConfiguration",
        demands="iam:PassRole",
        given="Role",
        on="{value}",
        passed_to=("lambda.amazonaws.com",),
        source=_PASS_ROLE,
    ),
    # The mapping has no id yet; IAM checks an ARN with a star in place of the id.
    Row(
        call="lambda:CreateEventSourceMapping",
        demands="lambda:TagResource",
        given="Tags",
        on="arn:aws:lambda:{region}:{account}:event-source-mapping:*",
        source="https://github.com/aws-samples/sample-autonomous-cloud-coding-agents/pull/408",
    ),
    Row(
        call="sqs:CreateQueue",
        demands="sqs:TagQueue",
        given="tags",
        source=f"{_DOCS}/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html",
    ),
    Row(
        call="sns:CreateTopic",
        demands="sns:TagResource",
        given="Tags",
        source=f"{_DOCS}/sns/latest/api/API_CreateTopic.html",
    ),
    Row(
        call="dynamodb:CreateTable",
        demands="dynamodb:TagResource",
        given="Tags",
        source=f"{_DOCS}/amazondynamodb/latest/developerguide/Tagging.Operations.html",
    ),
    Row(
        call="events:PutRule",
        demands="events:TagResource",
        given="Tags",
        source=f"{_DOCS}/eventbridge/latest/APIReference/API_PutRule.html",
    ),
    Row(
        call="events:PutTargets",
        demands="iam:PassRole",
        given="Targets[].RoleArn",
        on="{value}",
        passed_to=("events.amazonaws.com",),
        source=f"{_DOCS}/eventbridge/latest/userguide/eb-use-resource-based.html",
    ),
    Row(
        call="logs:CreateLogGroup",
        demands="logs:TagResource",
        given="tags",
        source=f"{_DOCS}/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html",
    ),
    Row(
        call="cloudwatch:PutMetricAlarm",
        demands="cloudwatch:TagResource",
        given="Tags",
        source=f"{_DOCS}/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html",
    ),
    Row(
        call="ecr:CreateRepository",
        demands="ecr:TagResource",
        given="tags",
        source=f"{_REFERENCE}amazonelasticcontainerregistry.html",
    ),
    Row(
        call="ssm:PutParameter",
        demands="ssm:AddTagsToResource",
        given="Tags",
        source=f"{_DOCS}/systems-manager/latest/APIReference/API_PutParameter.html",
    ),
    Row(
        call="budgets:ModifyBudget",
        demands="budgets:TagResource",
        given="ResourceTags",
        source=f"{_DOCS}/aws-cost-management/latest/APIReference/API_budgets_CreateBudget.html",
    ),
    # The account's primary billing view, the default of a budget.
    Row(
        call="budgets:ViewBudget",
        demands="billing:GetBillingViewData",
        given="AccountId",
        on="arn:aws:billing::{account}:billingview/primary",
        source=f"{_REFERENCE}awsbudgetservice.html",
    ),
    *(
        Row(
            call=f"iam:Create{kind}",
            demands=f"iam:Tag{kind}",
            given="Tags",
            source=f"{_DOCS}/IAM/latest/UserGuide/id_tags.html",
        )
        for kind in ("InstanceProfile", "OpenIDConnectProvider", "Policy", "Role", "User")
    ),
    Row(
        call="iam:AddRoleToInstanceProfile",
        demands="iam:PassRole",
        given="RoleName",
        on="arn:aws:iam::{account}:role/{value}",
        passed_to=("ec2.amazonaws.com",),
        source=f"{_REFERENCE}awsidentityandaccessmanagementiam.html",
    ),
    Row(
        call="ec2:CreateFlowLogs",
        demands="iam:PassRole",
        given="DeliverLogsPermissionArn",
        on="{value}",
        passed_to=("vpc-flow-logs.amazonaws.com",),
        source=f"{_DOCS}/vpc/latest/userguide/flow-logs-iam-role.html",
    ),
    *(
        Row(
            call=f"batch:{call}",
            demands="iam:PassRole",
            given=given,
            on="{value}",
            passed_to=services,
            source=f"{_DOCS}/batch/latest/userguide/{page}.html",
        )
        for call, given, services, page in (
            (
                "CreateComputeEnvironment",
                "computeResources.instanceRole",
                ("batch.amazonaws.com", "ec2.amazonaws.com"),
                "instance_IAM_role",
            ),
            (
                "UpdateComputeEnvironment",
                "computeResources.instanceRole",
                ("batch.amazonaws.com", "ec2.amazonaws.com"),
                "instance_IAM_role",
            ),
            ("CreateComputeEnvironment", "serviceRole", ("batch.amazonaws.com",), "service_IAM_role"),
            (
                "RegisterJobDefinition",
                "containerProperties.jobRoleArn",
                ("batch.amazonaws.com", "ecs-tasks.amazonaws.com"),
                "execution-IAM-role",
            ),
            (
                "RegisterJobDefinition",
                "containerProperties.executionRoleArn",
                ("batch.amazonaws.com", "ecs-tasks.amazonaws.com"),
                "execution-IAM-role",
            ),
        )
    ),
)


def row_demands(call: Call) -> list[Demand]:
    """Return the checks for a call's tags and passed roles."""
    found: list[Demand] = []
    for row in ROWS:
        if row.call != call.action:
            continue
        if row.tags:
            found += [
                Demand(action=row.demands, resource=_resource(row, call, ""), context=tag_context(tags))
                for tags in call.found(row.given)
                if tags
            ]
            continue
        contexts = [{"iam:PassedToService": service} for service in row.passed_to] or [{}]
        found += [
            Demand(action=row.demands, resource=_resource(row, call, value), context=context)
            for value in call.values(row.given)
            for context in contexts
        ]
    return found


def _resource(row: Row, call: Call, value: str) -> str:
    return row.on.format(resource=call.resource, value=value, region=call.region, account=call.account)
