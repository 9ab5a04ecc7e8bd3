"""The resources of an environment in the sandbox: everything with its name or its cost tag."""

from collections.abc import Iterator
from typing import Any

from tests.e2e.lab import Lab

__all__ = ["SERVICES", "remaining_resources"]

# service: call, member of its answer (and of each entry) with the names; answers of one page, for few things are left
_LISTS = [
    ("s3", "list_buckets", "Buckets", "Name", {}),
    ("dynamodb", "list_tables", "TableNames", "", {}),
    ("sqs", "list_queues", "QueueUrls", "", {}),
    ("sns", "list_topics", "Topics", "TopicArn", {}),
    ("sns", "list_subscriptions", "Subscriptions", "TopicArn", {}),
    ("lambda", "list_functions", "Functions", "FunctionName", {}),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "FunctionArn", {}),
    ("events", "list_rules", "Rules", "Name", {}),
    ("logs", "describe_log_groups", "logGroups", "logGroupName", {}),
    ("logs", "describe_resource_policies", "resourcePolicies", "policyName", {}),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName", {}),
    ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName", {}),
    ("batch", "describe_compute_environments", "computeEnvironments", "computeEnvironmentName", {}),
    ("batch", "describe_job_queues", "jobQueues", "jobQueueName", {}),
    ("batch", "describe_job_definitions", "jobDefinitions", "jobDefinitionName", {"status": "ACTIVE"}),
    ("batch", "list_scheduling_policies", "schedulingPolicies", "arn", {}),
    ("ecr", "describe_repositories", "repositories", "repositoryName", {}),
    ("ssm", "describe_parameters", "Parameters", "Name", {}),
    ("iam", "list_roles", "Roles", "RoleName", {}),
    ("iam", "list_users", "Users", "UserName", {}),
    ("iam", "list_policies", "Policies", "PolicyName", {"Scope": "Local"}),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName", {}),
    ("budgets", "describe_budgets", "Budgets", "BudgetName", {"AccountId": "000000000000"}),
]
_NETWORK = [
    ("describe_vpcs", "Vpcs", "VpcId"),
    ("describe_subnets", "Subnets", "SubnetId"),
    ("describe_security_groups", "SecurityGroups", "GroupId"),
    ("describe_route_tables", "RouteTables", "RouteTableId"),
    ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    ("describe_addresses", "Addresses", "AllocationId"),
]
SERVICES = {"ec2"} | {service for service, *_ in _LISTS}
"""Services in which an environment has resources."""


def remaining_resources(lab: Lab, environment: str) -> list[str]:
    """Return ``service name`` of every resource; the boundary made by the bootstrap stack does not count."""
    name = f"dropbatch-{environment}"
    found = {
        f"{service} {each}"
        for service, call, member, key, arguments in _LISTS
        for each in _names(getattr(lab.client(service), call)(**arguments), member, key)
        if name in each or f"/dropbatch/{environment}" in each
    }
    # Filtered here, since MiniStack does not filter everything by tags.
    ours = {"Key": "research-stack-id", "Value": name}
    found |= {
        f"ec2 {each[key]}"
        for call, member, key in _NETWORK
        for each in getattr(lab.client("ec2"), call)()[member]
        if ours in each.get("Tags", [])
    }
    return sorted(found)


def _names(answer: dict[str, Any], member: str, key: str) -> Iterator[str]:
    for each in answer.get(member, []):
        yield str(each[key] if key else each)
