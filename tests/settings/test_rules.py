"""Checks made at synthesis, each with its message."""

from pathlib import Path

import pytest

from dropbatch.settings import instances
from tests.settings.environment_file import GOOD, faults, read

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:token-AbCdEf"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
ARM = '[compute.arm]\nkind = "spot"\nmax_vcpus = 4\narchitecture = "arm64"\n'

POOLS = [
    (
        'instance_types = ["m6x"]',
        "compute.spot.instance_types: must be instance families or types that are known, got 'm6x': did you mean",
    ),
    (
        'instance_types = ["m6i.lage"]',
        "compute.spot.instance_types: must be instance families or types that are known, got 'm6i.lage': did you mean "
        "'m6i.large'? what is newer than the table goes into dropbatch/settings/instances.txt",
    ),
    (
        'instance_types = ["m6i", "m7g", "c7g.large"]',
        "compute.spot.instance_types: must be amd64 machines, got c7g, m7g: choose others, or set the pool's "
        "architecture",
    ),
    (
        'architecture = "arm64"\ninstance_types = ["m6i"]',
        "compute.spot.instance_types: must be arm64 machines, got m6i: choose others",
    ),
    (
        'instance_types = ["g5", "m6i"]',
        "compute.spot.instance_types: must all have GPUs or none, got m6i beside machines with GPUs: make two pools",
    ),
    ("instance_types = []", "compute.spot.instance_types: must not be empty, got []: give at least one"),
    ('ami = "latest"', "compute.spot.ami: must match ^ami-[0-9a-f]{8,17}$, got 'latest'"),
]

PIPELINES = [
    (
        "memory_mib = 970000",
        "pipeline.count.memory_mib: must be at most 92 % of a machine's memory, in the pool 'spot' 964689 "
        "(r6i.32xlarge), got 970000: lower it or add instance types with more memory",
    ),
    (
        "gpus = 1",
        "pipeline.count.gpus: must fit a machine of the pool 'spot', which has none, got 1: choose instance types with "
        "GPUs, such as g5, or ask for fewer",
    ),
    (
        "memory_mib = 1000\nmemory_steps = [2000, 970000]",
        "pipeline.count.memory_steps: must be at most 92 % of a machine's memory, in its pools 964689 (r6i.32xlarge), "
        "got 970000: leave that step out",
    ),
    (
        'architecture = "arm64"',
        "pipeline.count.architecture: must be that of the pool 'spot', amd64, got 'arm64': choose another pool, or "
        "make the image for amd64",
    ),
    ("gpus = 17", "pipeline.count.gpus: must be at most 16, got 17: lower it"),
    (
        'environment = { AWS_REGION = "x" }',
        "pipeline.count.environment.AWS_REGION: must not begin with AWS_, DROPBATCH_, ECS_, got 'AWS_REGION'",
    ),
    ('environment = { "a b" = "x" }', "pipeline.count.environment.a b"),
    ("environment = { N = 3 }", "pipeline.count.environment.N: input should be a valid string, got 3"),
    ('secrets = { TOKEN = "hunter2" }', "pipeline.count.secrets.TOKEN: must match "),
    (
        f'environment = {{ TOKEN = "x" }}\nsecrets = {{ TOKEN = "{SECRET}" }}',
        "pipeline.count.secrets.TOKEN: must not be in environment too, got both: remove one",
    ),
    (
        f'secret_keys = ["{KEY}"]',
        f"pipeline.count.secret_keys: must go with secrets, got ['{KEY}'] without any: name the secrets, or remove",
    ),
    (
        f'secrets = {{ TOKEN = "{SECRET}" }}\nsecret_keys = ["alias/mine"]',
        "pipeline.count.secret_keys[0]: must match ^arn:aws[a-z-]*:kms:",
    ),
    (
        'mounts = { "/ref" = "/tmp" }',
        "pipeline.count.mounts: must not hide a folder that the container needs, got '/tmp' for '/ref': choose another",
    ),
    (
        'mounts = { "/a" = "/ref", "/b" = "/ref:rw" }',
        "pipeline.count.mounts: must not use a place twice, got '/ref' for '/a': choose another",
    ),
    ('mounts = { "ref" = "/ref" }', "pipeline.count.mounts.ref"),
    (
        "ulimits = { files = 3 }",
        "pipeline.count.ulimits.files: must be one of core, cpu",
    ),
    (
        "memory_mib = 100\nshared_memory_mib = 200",
        "pipeline.count.shared_memory_mib: must not exceed memory_mib (100), of which it is part, got 200: lower it",
    ),
    (
        f'environment = {{ BIG = "{"x" * 21_000}" }}',
        "pipeline.count: command, environment and secrets must together be at most 20480 bytes",
    ),
    (
        'tags = { "research-stack-id" = "x" }',
        "pipeline.count.tags: must not be a tag of AWS or of ours, got 'research-stack-id': choose another key",
    ),
    (
        'retry = [{ action = "retry" }]',
        "pipeline.count.retry[0]: must say when: exit_code, reason or status_reason, got none: add one",
    ),
    (
        'retry = [{ action = "again", exit_code = "1" }]',
        "pipeline.count.retry[0].action: must be 'retry' or 'exit', got 'again': choose one of them",
    ),
    ('retry = [{ action = "exit" }, { action = "exit" }, { action = "exit" }]', "pipeline.count.retry: "),
    ('read_buckets = ["s3://b"]', "pipeline.count.read_buckets[0]: must match "),
]

TABLES = [
    ('[network]\nkind = "existing"', 'network.vpc_id: is required by kind "existing": name the VPC'),
    ('[network]\nkind = "existing"', 'network.subnet_ids: is required by kind "existing": name one or more subnets'),
    (
        '[network]\nvpc_id = "vpc-01234567"',
        'network.vpc_id: is for kind "existing" only, got \'vpc-01234567\' with kind "public": remove it or set',
    ),
    ('[network]\nnat = "two"', "network.nat: must be 'one' or 'per_zone', got 'two'"),
    (
        '[storage]\ninput_bucket = "labdata"\nexpire_inputs_days = 3',
        "storage.expire_inputs_days: is for buckets of ours only, got 3 with input_bucket 'labdata': set it on that",
    ),
    ('[storage]\nkms_key_arn = "alias/mine"', "storage.kms_key_arn: must match "),
    ('[storage]\narchive_class = "TAPE"', "storage.archive_class: must be 'GLACIER_IR', 'GLACIER' or 'DEEP_ARCHIVE'"),
    ("[observability]\nlog_retention_days = 91", "observability.log_retention_days: must be 1, 3, 5"),
]


@pytest.mark.parametrize(("text", "expected"), POOLS)
def test_a_pool_that_cannot_be_bought_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert_fault(tmp_path, GOOD.replace("max_vcpus = 4", f"max_vcpus = 4\n{text}"), expected)


@pytest.mark.parametrize(("text", "expected"), PIPELINES)
def test_a_pipeline_that_cannot_run_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert_fault(tmp_path, f"{GOOD}{text}\n", expected)


@pytest.mark.parametrize(("text", "expected"), TABLES)
def test_tables_that_contradict_themselves_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert_fault(tmp_path, f"{text}\n{GOOD}", expected)


def test_a_visibility_timeout_shorter_than_the_function_is_refused(tmp_path: Path) -> None:
    hidden = 'region = "eu-central-1"\nlease_seconds = 30\nvisibility_seconds = '
    assert_fault(
        tmp_path,
        GOOD.replace('region = "eu-central-1"', f"{hidden}19"),
        "environment.visibility_seconds: must be at least 20, which a function may take (two thirds of lease_seconds, "
        "at most 120), got 19: AWS refuses less, raise it or leave it out",
    )
    assert read(tmp_path / "lab1.toml", GOOD.replace('region = "eu-central-1"', f"{hidden}20"))


def test_more_alerts_than_a_budget_allows_are_refused(tmp_path: Path) -> None:
    assert_fault(
        tmp_path,
        GOOD.replace("monthly_usd = 10", "monthly_usd = 10\nwarn_at_percent = [1, 2, 3, 4, 5, 6, 7, 8, 9]"),
        "budget.warn_at_percent: with warn_forecast_percent at most 9 warnings, got 10: leave some out",
    )


def test_more_vcpus_than_any_machine_has_are_refused(tmp_path: Path) -> None:
    text = GOOD.replace("max_vcpus = 4", "max_vcpus = 400") + "vcpus = 190\n"
    assert_fault(
        tmp_path,
        text,
        "pipeline.count.vcpus: must fit a machine of the pool 'spot', at most 128 (m6i.32xlarge), got 190: lower it",
    )


def test_resources_that_no_single_machine_has_are_refused(tmp_path: Path) -> None:
    text = GOOD.replace("max_vcpus = 4", 'max_vcpus = 400\ninstance_types = ["c6i.32xlarge", "r6i.16xlarge"]')
    assert_fault(
        tmp_path,
        f"{text}vcpus = 100\nmemory_mib = 250000\n",
        "pipeline.count: vcpus, memory_mib and gpus must fit one machine of the pool 'spot' together, got 100 vCPUs, "
        "250000 MiB: lower one, or add instance types that have all",
    )


def test_pools_of_two_architectures_are_refused(tmp_path: Path) -> None:
    text = (GOOD + "\n" + ARM).replace('pools = ["spot"]', 'pools = ["spot", "arm"]')
    assert_fault(
        tmp_path,
        text,
        "pipeline.count.pools: must be of one architecture, for which the image is built, got spot (amd64), arm "
        "(arm64)",
    )


@pytest.mark.parametrize(
    ("text", "pool"),
    [
        ("gpus = 4", 'instance_types = ["g5"]'),
        ('architecture = "arm64"', 'architecture = "arm64"'),
        ("vcpus = 4\nmemory_mib = 15073", 'instance_types = ["m6i.xlarge"]'),
        (f'secrets = {{ TOKEN = "{SECRET}:key::" }}', ""),
        ('retry = [{ action = "retry", exit_code = "7*" }]', ""),
        ('mounts = { "/ref" = "/ref", "/db" = "/db:rw" }\nulimits = { nofile = 9 }', ""),
    ],
)
def test_resources_that_fit_are_accepted(tmp_path: Path, text: str, pool: str) -> None:
    read(tmp_path / "lab1.toml", GOOD.replace("max_vcpus = 4", f"max_vcpus = 4\n{pool}") + f"{text}\n")


def test_default_machines_follow_the_architecture(tmp_path: Path) -> None:
    settings = read(tmp_path / "lab1.toml", f"{GOOD}\n{ARM}")

    assert settings.compute["spot"].types == ("m6i", "c6i", "r6i")
    assert settings.compute["arm"].types == ("m7g", "c7g", "r7g")


def test_machines_have_their_known_resources() -> None:
    found, unknown = instances.expand(["g5.12xlarge", "m7g.medium", "nothing"])

    assert [(each.name, each.architecture, each.vcpus, each.memory_mib, each.gpus) for each in found] == [
        ("g5.12xlarge", "amd64", 48, 196608, 4),
        ("m7g.medium", "arm64", 1, 4096, 0),
    ]
    assert unknown == ["nothing"]
    assert found[1].usable_mib == 3768


def assert_fault(tmp_path: Path, text: str, expected: str) -> None:
    found = faults(tmp_path / "lab1.toml", text)
    assert any(fault.startswith(expected) for fault in found), found


def test_names_that_do_not_fit_the_parameter_are_refused(tmp_path: Path) -> None:
    many = "\n".join(f"[group.group{number:011}]" for number in range(220))

    assert_fault(
        tmp_path,
        f"{GOOD}\n{many}",
        "group, pipeline and compute: the deployment's SSM parameter",
    )
