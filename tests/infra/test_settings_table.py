"""Each setting changes the expected resources, and no others."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest
from pydantic import BaseModel

from dropbatch import settings as models
from dropbatch.settings.reader import NAMED_TABLES, TABLES
from tests.constructs_lib.synthesis import Stack
from tests.infra.plans import BASE, difference, stack_of

FUNCTIONS = "aws_lambda_function:Functions_*_Function"
DEFINITION = "aws_batch_job_definition:Pipeline-count_Lab_Definition"
QUEUE = "aws_batch_job_queue:Pool-spot_Queue"
ENVIRONMENT = "aws_batch_compute_environment:Pool-spot_Environment"
CHANGE = "terraform_data:Pool-spot_Change_Command"
TEMPLATE = "aws_launch_template:Pool-spot_Machines_Template"
LOCAL = "local:*"
REFUSED = "aws_cloudwatch_metric_alarm:RefusedSubmissions_Alarm"
POINTERS = "aws_ssm_parameter:Pointers_Parameter"  # what a run needs, for the worst case of a request

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:token-AbCdEf"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"

# table: key: what is written, what changes
CASES: dict[str, dict[str, tuple[str, set[str]]]] = {
    "environment": {
        "account_id": ('account_id = "123456789012"', {"provider:aws"}),
        "permissions_boundary": ('permissions_boundary = "lab/limit"', {"aws_iam_role:*"}),
        "disposable": (
            "disposable = true",
            {
                "aws_s3_bucket:*puts_Bucket",
                "aws_dynamodb_table:*",
                "aws_ecr_repository:*",
                "terraform_data:Kept_Message",
            },
        ),
        "reconcile_minutes": (
            "reconcile_minutes = 1",
            {"aws_cloudwatch_event_rule:Functions_RunEvents_Schedule", FUNCTIONS, REFUSED},
        ),
        "lease_seconds": ("lease_seconds = 30", {FUNCTIONS, "aws_sqs_queue:*_Queue", REFUSED}),
        "visibility_seconds": ("visibility_seconds = 500", {"aws_sqs_queue:*_Queue"}),
    },
    "state": {
        "backend": ('backend = "s3"\nbucket = "b"', {"terraform:backend"}),
        "bucket": ('backend = "s3"\nbucket = "b"', {"terraform:backend"}),
    },
    "notify": {
        "email": ('email = "a@example.org"', {"variable:notification_email"}),
        "window_minutes": ("window_minutes = 3", {FUNCTIONS}),
        "runs": ('runs = "all"', {FUNCTIONS}),
    },
    "budget": {
        "monthly_usd": ("monthly_usd = 11", {"variable:budget_limit"}),
        "warn_at_percent": ("warn_at_percent = [70]", {"aws_budgets_budget:*"}),
        "warn_forecast_percent": ("warn_forecast_percent = [90]", {"aws_budgets_budget:*"}),
        "action": (
            'action = "none"',
            {
                "aws_lambda_permission:Functions_SpendGuard_*",
                "aws_sns_topic_subscription:Functions_SpendGuard_*",
                FUNCTIONS,
            },
        ),
        "auto_resume": ("auto_resume = true", {FUNCTIONS}),
    },
    "network": {
        "kind": (
            'kind = "private"',
            {
                "aws_subnet:*",
                "aws_nat_gateway:*NatA",
                "aws_eip:*AddressA",
                "aws_route:Network_Private_*",
                "aws_route_table:Network_Private_*",
                "aws_route_table_association:Network_Private_*",
                "aws_vpc_endpoint:*",
                "aws_batch_compute_environment:*",
                "terraform_data:Pool-*_Change_Command",
            },
        ),
        "cidr": ('cidr = "10.9.0.0/16"', {"aws_vpc:*", "aws_subnet:*"}),
        "nat": ('nat = "per_zone"', set()),  # of a private network: see below
        "egress": ('egress = "all"', {"aws_vpc_security_group_egress_rule:*"}),
        "vpc_id": (
            'kind = "existing"\nvpc_id = "vpc-01234567"\nsubnet_ids = ["subnet-01234567"]',
            {
                "aws_vpc:*",
                "aws_subnet:*",
                "aws_route:*",
                "aws_route_table:*",
                "aws_route_table_association:*",
                "aws_vpc_endpoint:*",
                "aws_internet_gateway:*",
                "aws_default_security_group:*",
                "aws_security_group:*",
                "aws_vpc_security_group_egress_rule:*",
                "aws_batch_compute_environment:*",
                "terraform_data:Pool-*_Change_Command",
                "data:aws_availability_zones",
            },
        ),
        "flow_logs": (
            "flow_logs = true",
            {
                "aws_flow_log:*",
                "aws_iam_role:FlowLogs_*",
                "aws_iam_role_policy:FlowLogs_*",
                "aws_cloudwatch_log_group:FlowLogs_*",
            },
        ),
    },
    "storage": {
        "abort_uploads_days": ("abort_uploads_days = 2", {"aws_s3_bucket_lifecycle_configuration:*"}),
        "kms_key_arn": (
            f'kms_key_arn = "{KEY}"',
            {
                "aws_s3_bucket_server_side_encryption_configuration:*",
                "aws_iam_role_policy:Pipeline-*_Lab_Role_Grants",
                "aws_iam_role_policy:Functions_Arrival_*",
                "aws_iam_role_policy:Functions_RunEvents_*",
                "aws_iam_policy:Group-lab_*",
            },
        ),
        "expire_inputs_days": ("expire_inputs_days = 9", {"aws_s3_bucket_lifecycle_configuration:Inputs_*"}),
        "archive_results_days": ("archive_results_days = 9", {"aws_s3_bucket_lifecycle_configuration:Outputs_*"}),
        "archive_class": (
            'archive_results_days = 9\narchive_class = "GLACIER"',
            {"aws_s3_bucket_lifecycle_configuration:Outputs_*"},
        ),
        "input_bucket": (
            'input_bucket = "labdata"',
            {
                "aws_s3_bucket*:Inputs_*",
                "removed:aws_s3_bucket*.Inputs_*",
                "aws_cloudwatch_event_rule:ExistingInputs_*",
                "aws_cloudwatch_event_target:ExistingInputs_*",
                "aws_cloudwatch_metric_alarm:Alarms_InputsUndelivered",
                "aws_sqs_queue:Arrivals_Queue",
                "aws_lambda_function:Functions_Arrival_Function",
                "aws_iam_role_policy:Pipeline-*_Lab_Role_Grants",
                "aws_iam_role_policy:Functions_Arrival_*",
                "aws_ssm_parameter:*",
                "aws_iam_policy:Group-lab_*",
                "output:input_bucket",
                "terraform_data:Kept_Message",
                "terraform_data:Preflight_Check",
            },
        ),
    },
    "arrivals": {
        "batch_size": ("batch_size = 50", {"aws_lambda_event_source_mapping:*"}),
        "window_seconds": ("window_seconds = 2", {"aws_lambda_event_source_mapping:*"}),
        "unmatched": ('unmatched = "ignore"', {FUNCTIONS}),
        "max_runs_per_request": ("max_runs_per_request = 5", {FUNCTIONS}),
    },
    "observability": {
        "log_retention_days": ("log_retention_days = 30", {"aws_cloudwatch_log_group:*"}),
        "oldest_message_minutes": ("oldest_message_minutes = 3", {"aws_cloudwatch_metric_alarm:*Oldest"}),
    },
    "compute.spot": {
        "kind": ('kind = "on_demand"', {ENVIRONMENT, CHANGE, FUNCTIONS}),
        "max_vcpus": ("max_vcpus = 9", {ENVIRONMENT}),
        "min_vcpus": ("min_vcpus = 1", {ENVIRONMENT}),
        "architecture": (
            'architecture = "arm64"',
            {ENVIRONMENT, FUNCTIONS, "terraform_data:*", "aws_batch_job_definition:Pipeline-other_*"},
        ),
        "instance_types": ('instance_types = ["c6i"]', {ENVIRONMENT, CHANGE, FUNCTIONS}),
        "ami": ('ami = "ami-01234567"', {ENVIRONMENT, CHANGE}),
        "priority": ("priority = 5", {QUEUE}),
        "root_gib": ("root_gib = 99", {TEMPLATE}),
        "scratch_gib": ("scratch_gib = 99", {TEMPLATE}),
        "session_manager": (
            "session_manager = true",
            {
                ENVIRONMENT,
                CHANGE,
                "terraform_data:OpenMachineProfile_Known",
                TEMPLATE,
                "aws_iam_role:OpenMachineProfile_*",
                "aws_iam_role_policy:OpenMachineProfile_*",
                "aws_iam_instance_profile:OpenMachineProfile*",
            },
        ),
        "usd_per_vcpu_hour": ("usd_per_vcpu_hour = 0.1", {FUNCTIONS}),
        "usd_per_gib_hour": ("usd_per_gib_hour = 0.1", {FUNCTIONS}),
    },
    "pipeline.count": {
        "image": ('image = "quay.io/lab/count:2"', {DEFINITION}),
        "base": ("", set()),  # in place of an image: see below
        "command": ('command = ["other"]', {DEFINITION}),
        "pools": ('pools = ["other"]', {FUNCTIONS}),
        "vcpus": ("vcpus = 2", {DEFINITION, FUNCTIONS, POINTERS}),
        "memory_mib": ("memory_mib = 2000", {DEFINITION, FUNCTIONS, POINTERS}),
        "gpus": ("", set()),  # of a pool with GPUs: see below
        "architecture": ('architecture = "amd64"', set()),
        "shared_memory_mib": ("shared_memory_mib = 100", {DEFINITION}),
        "ulimits": ("ulimits = { nofile = 9 }", {DEFINITION}),
        "mounts": ('mounts = { "/ref" = "/ref" }', {DEFINITION}),
        "environment": ('environment = { MODE = "x" }', {DEFINITION}),
        "secrets": (
            f'secrets = {{ TOKEN = "{SECRET}" }}',
            {DEFINITION, "aws_iam_role_policy:Pipeline-count_Execution_*"},
        ),
        "secret_keys": (
            f'secrets = {{ TOKEN = "{SECRET}" }}\nsecret_keys = ["{KEY}"]',
            {DEFINITION, "aws_iam_role_policy:Pipeline-count_Execution_*"},  # the definition has the secret
        ),
        "tags": ('tags = { project = "x" }', {DEFINITION}),
        "retry": ('retry = [{ action = "retry", exit_code = "75" }]', {DEFINITION}),
        "timeout_minutes": ("timeout_minutes = 9", {DEFINITION, FUNCTIONS, POINTERS}),
        "tries": ("tries = 3", {DEFINITION, POINTERS}),
        "priority": ("priority = 5", {DEFINITION, FUNCTIONS}),
        "marker": ('trigger = "folder"\nmarker = "END"', {FUNCTIONS, POINTERS}),
        "read_buckets": (
            'read_buckets = ["b-b"]',
            {"aws_iam_role_policy:Pipeline-count_Lab_*", "aws_iam_role_policy:Functions_Arrival_*", FUNCTIONS},
        ),
        "after": ('after = "other"', {"aws_iam_role_policy:Pipeline-count_Lab_*", FUNCTIONS}),
        "input_flags": ('input_flags = ["--in"]', {DEFINITION}),
        "output_flags": ('output_flags = ["--out"]', {DEFINITION}),
        "requires_config": ('requires_config = "a table is needed"', {DEFINITION}),
        "requires_output": ("requires_output = true", {DEFINITION}),
    },
}
CASES["storage"]["web_origins"] = (
    'web_origins = ["https://a.org"]',
    {"aws_s3_bucket_cors_configuration:*puts_WebPages"},
)
CASES["group.lab"] = {
    "members": (
        'members = ["arn:aws:iam::123456789012:role/staff"]',
        {"aws_iam_role:Group-lab_Role", "aws_iam_role_policy_attachment:Group-lab_RoleRights"},
    ),
    "users": ('users = ["anna"]', {"aws_iam_user:User-anna_User", "aws_iam_user_policy_attachment:User-anna_*"}),
    "contacts": (
        'contacts = ["a@example.org"]',
        {"aws_sns_topic*:Contacts_*", "aws_iam_role_policy:Functions_RunEvents_*", FUNCTIONS},
    ),
    "monthly_vcpu_hours": ("monthly_vcpu_hours = 9", {FUNCTIONS}),
    "monthly_usd": ("", set()),  # of pools with prices: see below
    "share_weight": ("share_weight = 2", {"aws_batch_scheduling_policy:*"}),
    "pipelines": (
        'pipelines = ["other"]',
        {DEFINITION, "aws_iam_role:Pipeline-count_Lab_*", "aws_iam_role_policy:Pipeline-count_Lab_*", FUNCTIONS},
    ),
    "read_prefixes": (
        'read_prefixes = ["shared/"]',
        {"aws_iam_policy:Group-lab_*", "aws_iam_role_policy:Pipeline-*_Lab_*", FUNCTIONS},
    ),
}
CASES["network"]["subnet_ids"] = CASES["network"]["vpc_id"]
# Keys that only our functions read: they are in the functions' packages, and nowhere else.
FOR_FUNCTIONS = {
    "pipeline.count": {
        "memory_steps": "memory_steps = [4000]",
        "retry_failures": "retry_failures = 1",
        "trigger": 'trigger = "submit"',
        "suffixes": 'suffixes = [".txt"]',
        "max_vcpus": "max_vcpus = 3",
        "max_memory_mib": "max_memory_mib = 3000",
        "max_timeout_minutes": "max_timeout_minutes = 77",
    },
}
MODELS: dict[str, type[BaseModel]] = {
    "environment": models.EnvironmentSettings,
    "state": models.StateSettings,
    "notify": models.NotifySettings,
    "budget": models.BudgetSettings,
    "network": models.NetworkSettings,
    "storage": models.StorageSettings,
    "arrivals": models.ArrivalSettings,
    "observability": models.ObservabilitySettings,
    "compute.spot": models.PoolSettings,
    "pipeline.count": models.PipelineSettings,
    "group.lab": models.GroupSettings,
}
NAMES = {("environment", "name"), ("environment", "region")}  # everything changes


def cases() -> Iterator[tuple[str, str, set[str]]]:
    for table, keys in CASES.items():
        for written, changed in keys.values():
            yield table, written, changed
    for table, texts in FOR_FUNCTIONS.items():
        for written in texts.values():
            yield table, written, {FUNCTIONS}


def having(table: str, written: str) -> str:
    """Return the base with some keys of a table replaced."""
    lines = BASE.splitlines()
    if f"[{table}]" not in lines:
        return f"[{table}]\n{written}\n{BASE}"
    start = lines.index(f"[{table}]") + 1
    names = {line.split(" = ")[0] for line in written.splitlines()}
    end = next((n for n in range(start, len(lines)) if lines[n].startswith("[")), len(lines))
    kept = [line for line in lines[start:end] if line.split(" = ")[0] not in names]
    return "\n".join([*lines[:start], written, *kept, *lines[end:]])


@pytest.fixture(scope="module")
def base() -> Stack:
    return stack_of(BASE)


@pytest.mark.parametrize(("table", "written", "expected"), list(cases()))
def test_a_setting_changes_the_expected_resources_only(
    base: Stack, table: str, written: str, expected: set[str]
) -> None:
    changed = difference(base, stack_of(having(table, written)))

    unexpected = {name for name in changed if not any(fnmatch(name, pattern) for pattern in expected)}
    unchanged = {pattern for pattern in expected if not any(fnmatch(name, pattern) for name in changed)}
    assert (unexpected, unchanged) == (set(), set())


def test_a_private_network_may_have_a_gateway_in_each_zone() -> None:
    one, two = (stack_of(f'[network]\nkind = "private"\nnat = "{nat}"\n{BASE}') for nat in ("one", "per_zone"))

    assert difference(one, two) == {
        "aws_nat_gateway:Network_Private_NatB",
        "aws_eip:Network_Private_AddressB",
        "aws_route:Network_Private_OutwardB",
    }


def test_a_pool_and_a_pipeline_may_have_gpus() -> None:
    without = having("compute.spot", 'instance_types = ["g5"]').replace("image/wordcount", "quay.io/lab/other:1")
    stack = stack_of(without)

    assert difference(stack, stack_of(without.replace('count:1"', 'count:1"\ngpus = 1'))) == {DEFINITION}
    (configuration,) = (
        stack.one("aws_batch_job_queue", name="dropbatch-lab1-spot")
        and stack.one("aws_batch_compute_environment", compute_environment_name_prefix="dropbatch-lab1-spot-")[
            "compute_resources"
        ]["ec2_configuration"]
    )
    assert configuration == {"image_type": "ECS_AL2023_NVIDIA"}


def test_the_check_before_a_deploy_knows_the_architecture() -> None:
    (check,) = (
        each
        for each in stack_of(having("compute.spot", 'architecture = "arm64"')).resources("terraform_data")
        if "before_deploy" in json.dumps(each)
    )
    (provisioner,) = check["provisioner"]
    assert re.search(r"--tag '?other-arm64-[0-9a-f]{24}@arm64'?", provisioner["local-exec"]["command"])


def test_a_pipeline_may_wrap_another_image(base: Stack) -> None:
    around = BASE.replace('image = "quay.io/lab/count:1"', 'base = "quay.io/lab/count:1"')

    assert difference(base, stack_of(around)) == {
        DEFINITION,
        "terraform_data:Pipeline-count_Image",
        "terraform_data:Preflight_Check",
    }


def test_an_image_in_a_private_repository_may_be_pulled(base: Stack) -> None:
    private = BASE.replace("quay.io/lab/count:1", "222222222222.dkr.ecr.eu-central-1.amazonaws.com/lab/count:1")

    assert difference(base, stack_of(private)) == {
        DEFINITION,
        "aws_iam_role_policy:Pipeline-count_Execution_Grants",
        "aws_iam_role_policy:MachineProfile_Role_Grants",
    }


def test_a_limit_in_dollars_reaches_the_functions() -> None:
    priced = having("compute.spot", "usd_per_vcpu_hour = 0.1\nusd_per_gib_hour = 0.1") + "\n[group.lab]\n"

    changed = difference(stack_of(priced), stack_of(f"{priced}monthly_usd = 9\n"))
    assert changed
    assert all(fnmatch(name, FUNCTIONS) for name in changed)


def test_every_setting_is_in_the_table() -> None:
    assert {name.partition(".")[0] for name in MODELS} == TABLES.keys() | NAMED_TABLES.keys()
    for table, model in MODELS.items():
        fields = set(model.model_fields)
        known = {key for name, key in NAMES if name == table}
        known |= CASES[table].keys() | FOR_FUNCTIONS.get(table, {}).keys()
        assert fields == known, table
