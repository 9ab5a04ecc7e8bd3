"""Groups in an environment file, and the messages about faults in them."""

from pathlib import Path

import pytest

from dropbatch.contract.deployment import Limit
from dropbatch.contract.limits import MICRO_USD, VCPU_MS
from tests.settings.environment_file import GOOD, faults, read

CASES = [
    (
        'members = ["arn:aws:sts::123456789012:assumed-role/staff/anna"]',
        "group.hub.members[0]: must match ",
    ),
    ('members = ["arn:aws:iam::123456789012:user/*"]', "group.hub.members[0]: must match "),
    (
        'members = ["arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/a"]',
        "group.hub.members: must not repeat a value, got 'arn:aws:iam::123456789012:role/a' twice: name it once",
    ),
    ('users = ["Anna"]', "group.hub.users[0]: must match ^[a-z][a-z0-9.-]{0,30}[a-z0-9]$, got 'Anna'"),
    ('users = ["anna", "anna"]', "group.hub.users: must not repeat a value, got 'anna' twice: name it once"),
    ('contacts = ["pi"]', "group.hub.contacts[0]: must match "),
    (
        'contacts = ["a@b.org", "a@b.org"]',
        "group.hub.contacts: must not repeat a value, got 'a@b.org' twice: name it once",
    ),
    ("share_weight = 0", "group.hub.share_weight: must be at least 1, got 0: raise it"),
    ("share_weight = 1001", "group.hub.share_weight: must be at most 1000, got 1001: lower it"),
    (
        'pipelines = ["cuont"]',
        "group.hub.pipelines: must name declared pipelines, got 'cuont': did you mean 'count'?",
    ),
    ("pipelines = []", "group.hub.pipelines: must not be empty, got []: give at least one"),
    ('read_prefixes = ["shared"]', "group.hub.read_prefixes[0]: must match "),
    ('read_prefixes = ["/shared/"]', "group.hub.read_prefixes[0]: must match "),
    ('read_prefixes = ["shared/*/"]', "group.hub.read_prefixes[0]: must match "),
    ('read_prefixes = ["${aws:username}/"]', "group.hub.read_prefixes[0]: must match "),
    (
        'read_prefixes = ["shared/../lab/"]',
        "group.hub.read_prefixes: must be a folder's whole name, without //, . and .., got 'shared/../lab/': write it",
    ),
    (
        'read_prefixes = ["shared//x/"]',
        "group.hub.read_prefixes: must be a folder's whole name, without //, . and .., got 'shared//x/': write it out",
    ),
    (
        'read_prefixes = ["hub/inputs/"]',
        "group.hub.read_prefixes: must lie outside the group's own folder, which it reads anyway, got 'hub/inputs/'",
    ),
    (
        'read_prefixes = ["_dropbatch/started/"]',
        "group.hub.read_prefixes: must not be among the system's own objects, got '_dropbatch/started/': remove it",
    ),
    ("monthly_vcpu_hours = 0", "group.hub.monthly_vcpu_hours: must be at least 1, got 0: raise it"),
    (
        "monthly_usd = 5",
        "group.hub.monthly_usd: needs prices of the pools that the group uses, got none of spot: set usd_per_vcpu_hour",
    ),
    (
        'monthly_vcpu_hours = 1\n[pipeline.long]\nimage = "image/wordcount"\ncommand = ["x"]\npools = ["spot"]\n'
        "vcpus = 4\ntimeout_minutes = 30",
        "group.hub.monthly_vcpu_hours: must suffice for one run of pipeline 'long', which may use 2.00 vCPU-hours, got "
        "1.00 vCPU-hours: raise it, or lower the pipeline's timeout_minutes",
    ),
    (
        f"members = {[f'arn:aws:iam::123456789012:user/people/somebody.{number}' for number in range(40)]}",
        "group.hub.members: must fit the 1700 characters that a role's trust policy has for them, got 2103: name roles",
    ),
    (
        f"read_prefixes = {[f'shared/{number:02}{70 * chr(120)}/' for number in range(20)]}",
        "group.hub.read_prefixes: must fit the 800 characters that a group's policy has for them, got 1600: name a",
    ),
    ('member = ["x"]', "group.hub.member: unknown key, got ['x']: did you mean 'members'? known are contacts, members"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lab1.toml"


@pytest.mark.parametrize(("written", "fault"), CASES)
def test_a_fault_of_a_group_names_key_rule_value_and_fix(file: Path, written: str, fault: str) -> None:
    (found,) = faults(file, f"{GOOD}\n[group.hub]\n{written}\n")

    assert found.startswith(fault), found


def test_all_faults_of_all_groups_are_reported_at_once(file: Path) -> None:
    groups = '[group.hub]\nusers = ["anna", "anna"]\n[group.lab]\npipelines = ["x"]\nread_prefixes = ["lab/"]\n'

    assert len(faults(file, GOOD + groups)) == 3


def test_nobody_is_in_more_groups_than_aws_allows(file: Path) -> None:
    groups = "".join(f'[group.hub{number:02}]\nusers = ["anna"]\n' for number in range(11))

    (fault,) = faults(file, GOOD + groups)

    assert fault.startswith("group.hub10.users: must not name a user of more than 10 groups, for AWS attaches no more")
    assert "got 'anna' in 11: leave some out" in fault
    assert read(file, GOOD + groups.replace('[group.hub10]\nusers = ["anna"]\n', ""))


def test_single_sign_on_users_are_named_by_pattern(file: Path) -> None:
    member = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_lab_*"

    settings = read(file, f'{GOOD}\n[group.hub]\nmembers = ["{member}"]\n')

    assert settings.group["hub"].members == (member,)


def test_a_group_may_use_all_pipelines_unless_some_are_named(file: Path) -> None:
    more = '[pipeline.other]\nimage = "image/wordcount"\ncommand = ["x"]\npools = ["spot"]\n'

    settings = read(file, f'{GOOD}\n{more}\n[group.hub]\npipelines = ["other"]\n[group.lab]\n')

    assert (settings.groups_of("count"), settings.groups_of("other")) == (["lab"], ["hub", "lab"])
    assert settings.deployment().pipelines["count"].definitions == {"lab": "dropbatch-lab1-count-lab"}


def test_upload_pages_need_https_and_our_own_buckets(file: Path) -> None:
    origin = '[storage]\nweb_origins = ["{}"]\n'

    assert read(file, origin.format("https://data.example.org") + GOOD).storage.web_origins
    assert faults(file, origin.format("http://data.example.org") + GOOD)[0].startswith(
        "storage.web_origins[0]: must match"
    )
    (fault,) = faults(
        file, origin.format("https://a.org").replace("[storage]", '[storage]\ninput_bucket = "bbb"') + GOOD
    )
    assert fault.startswith("storage.web_origins: is for buckets of ours only, got ['https://a.org'] with input_bucket")


def test_a_limit_is_in_hours_or_in_dollars(file: Path) -> None:
    priced = GOOD.replace("max_vcpus = 4", "max_vcpus = 4\nusd_per_vcpu_hour = 0.05\nusd_per_gib_hour = 0.005")
    groups = "[group.hub]\nmonthly_usd = 12\n[group.lab]\nmonthly_vcpu_hours = 600\n[group.free]\n"

    assert read(file, f"{priced}\n{groups}").deployment().limits == {
        "hub": Limit(MICRO_USD, 12_000_000),
        "lab": Limit(VCPU_MS, 600 * 3_600_000),
    }
    both = "[group.hub]\nmonthly_usd = 12\nmonthly_vcpu_hours = 600\n"
    (fault,) = faults(file, f"{priced}\n{both}")
    assert fault.startswith(
        "group.hub.monthly_usd: must not stand beside monthly_vcpu_hours, got 12 beside 600: choose"
    )
