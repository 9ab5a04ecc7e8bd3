from pathlib import Path

import pytest

from dropbatch.contract.deployment import Deployment
from dropbatch.settings import SettingsError, load, load_all
from tests.settings.environment_file import GOOD, faults, read

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lab1.toml"


def test_the_environments_of_the_repository_are_valid() -> None:
    assert load_all(ROOT / "environments")


def test_omitted_settings_have_defaults(file: Path) -> None:
    settings = read(file, GOOD)

    assert list(settings.group) == ["lab"]
    assert settings.pipeline["count"].tries == 2
    assert settings.state.backend == "local"
    assert settings.notify.email is None


def test_settings_are_frozen(file: Path) -> None:
    settings = read(file, GOOD)

    with pytest.raises(ValueError, match="frozen"):
        settings.environment.name = "other"  # type: ignore[misc]


def test_the_deployment_names_definitions_and_queues(file: Path) -> None:
    deployment = read(file, GOOD + "\n[group.neuro]\n[group.lab]\n").deployment()

    assert deployment.groups == ("lab", "neuro")
    assert deployment.pipelines["count"].definitions == {
        "lab": "dropbatch-lab1-count-lab",
        "neuro": "dropbatch-lab1-count-neuro",
    }
    assert deployment.pools["spot"].queue == "dropbatch-lab1-spot"


def test_the_deployment_has_the_machines_of_pools(file: Path) -> None:
    deployment = read(file, GOOD.replace("max_vcpus = 4", 'max_vcpus = 4\ninstance_types = ["m6i.large"]')).deployment()

    assert deployment.pools["spot"].machines == ((2, 7536),)
    assert deployment.instance_types["m5.xlarge"] == (4, 15073, 0)


def test_the_deployment_has_triggers_and_limits_of_requests(file: Path) -> None:
    text = GOOD.replace("[budget]", '[arrivals]\nunmatched = "ignore"\nmax_runs_per_request = 7\n[budget]')
    text += 'trigger = "folder"\nmax_vcpus = 2\nmemory_steps = [9000]\n'

    deployment = read(file, text).deployment()

    pipeline = deployment.pipelines["count"]
    assert (pipeline.trigger, pipeline.marker) == ("folder", "_DONE")
    assert (pipeline.max_vcpus, pipeline.max_memory_mib, pipeline.max_timeout_minutes) == (2, 9000, 240)
    assert (deployment.unmatched, deployment.max_runs_per_request) == ("ignore", 7)
    assert Deployment.from_json(deployment.to_json()) == deployment


@pytest.mark.parametrize(("written", "expected"), [("", 100), ("priority = 0", 0), ("priority = 9999", 9999)])
def test_the_deployment_has_the_priority_of_a_pipeline(file: Path, written: str, expected: int) -> None:
    deployment = read(file, GOOD + written).deployment()

    assert deployment.pipelines["count"].priority == expected
    assert Deployment.from_json(deployment.to_json()) == deployment


def test_a_refusal_lasts_longer_than_its_repetition(file: Path) -> None:
    text = GOOD.replace("[environment]", "[environment]\nlease_seconds = 100\nreconcile_minutes = 7")

    assert read(file, text).deployment().refusal.total_seconds() == 2 * (100 + 7 * 60)


def test_a_circle_of_pipelines_is_refused(file: Path) -> None:
    other = GOOD.partition("[pipeline.count]")[2]
    text = GOOD + f'after = "three"\n[pipeline.two]{other}after = "count"\n[pipeline.three]{other}after = "two"\n'

    found = faults(file, text)

    assert (
        "pipeline.two.after: must not lead back to itself, got two -> count -> three -> two: break the circle" in found
    )


def test_the_deployment_is_restored_from_its_file(file: Path) -> None:
    other = GOOD.partition("[pipeline.count]")[2]
    text = GOOD.replace("max_vcpus = 4", "max_vcpus = 4\nusd_per_vcpu_hour = 0.02\nusd_per_gib_hour = 0.0")
    text += f'memory_steps = [4000]\n[pipeline.next]{other}after = "count"\nretry_failures = 1\n'
    text += f'[pipeline.last]{other}after = "next"\n'

    deployment = read(file, text).deployment()

    assert Deployment.from_json(deployment.to_json()) == deployment
    assert deployment.children("count") == ("next",)
    assert deployment.descendants("count") == ("next", "last")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "max_vcpus = 4",
            "max_vcpu = 4",
            "compute.spot.max_vcpu: unknown key, got 4: did you mean 'max_vcpus'? known are",
        ),
        ("max_vcpus = 4", "max_vcpus = '4'", "compute.spot.max_vcpus: input should be a valid integer, got '4'"),
        ("max_vcpus = 4", "max_vcpus = 0", "compute.spot.max_vcpus: must be at least 1, got 0: raise it"),
        (
            "max_vcpus = 4",
            "max_vcpus = 4\nmin_vcpus = 5",
            "compute.spot.min_vcpus: must not exceed max_vcpus (4), got 5",
        ),
        ('"spot"\nmax', '"spto"\nmax', "compute.spot.kind: must be 'spot' or 'on_demand', got 'spto': choose one"),
        ("[budget]", "[budgets]", "budgets: unknown table, got {'monthly_usd': 10}: did you mean 'budget'?"),
        ("monthly_usd = 10", "", "budget.monthly_usd: is required: add it"),
        (
            'pools = ["spot"]',
            'pools = ["spto"]',
            "pipeline.count.pools: must name declared pools, got 'spto': did you mean",
        ),
        ('pools = ["spot"]', 'pools = ["spot", "spot"]', "pipeline.count.pools: must not repeat a pool"),
        ('pools = ["spot"]', "pools = []", "pipeline.count.pools: must not be empty, got []"),
        (
            'pools = ["spot"]',
            'pools = ["spot"]\nvcpus = 5',
            "pipeline.count.vcpus: must fit the pool 'spot', whose max_vcpus",
        ),
        ("[pipeline.count]", "[pipeline.inputs]", "pipeline.inputs: must not be one of inputs, configs, submissions"),
        ("[pipeline.count]", '[pipeline."a b"]', "pipeline.a b: must match "),
        ('name = "lab1"', 'name = "lab2"', "environment.name: must be the file's name 'lab1', got 'lab2'"),
        ('name = "lab1"', 'name = "Lab 1"', "environment.name: must match ^[a-z][a-z0-9]{0,11}$, got 'Lab 1'"),
        ('"eu-central-1"', '"europe"', "environment.region: must match "),
        ("[budget]", '[state]\nbackend = "s3"\n[budget]', 'state.bucket: is required by backend "s3"'),
        ("[budget]", '[network]\ncidr = "10.20.0.1/16"\n[budget]', "network.cidr: must be an IPv4 network"),
        ("[budget]", '[notify]\nemail = "nobody"\n[budget]', "notify.email: must match "),
        ("[budget]", "compute = 3\n[budget]", "environment.compute: unknown key, got 3"),
        (
            "[pipeline.count]",
            '[pipeline.count]\nafter = "cuont"',
            "pipeline.count.after: must name a declared pipeline, got 'cuont': did you mean 'count'?",
        ),
        (
            "[pipeline.count]",
            '[pipeline.count]\nafter = "count"',
            "pipeline.count.after: must not lead back to itself, got count -> count: break the circle",
        ),
        (
            "[pipeline.count]",
            "[pipeline.count]\nmemory_steps = [4000, 3000]",
            "pipeline.count.memory_steps: must rise from memory_mib (1800), got [4000, 3000]",
        ),
        (
            "[pipeline.count]",
            '[pipeline.count]\ntrigger = "folder"\nsuffixes = [".dat"]',
            "pipeline.count.suffixes: must go with trigger \"file\", got 'folder': remove them or change the trigger",
        ),
        (
            "[pipeline.count]",
            '[pipeline.count]\nmarker = "_OK"',
            "pipeline.count.marker: must go with trigger \"folder\", got 'file': remove it or set the trigger",
        ),
        (
            "[pipeline.count]",
            '[pipeline.count]\ntrigger = "folder"\nmarker = "a/b"',
            "pipeline.count.marker: must match ",
        ),
        (
            "[pipeline.count]",
            "[pipeline.count]\nmax_memory_mib = 1000",
            "pipeline.count.max_memory_mib: must not be below memory_mib (1800), got 1000: raise it",
        ),
        (
            "[pipeline.count]",
            "[pipeline.count]\npriority = 10000",
            "pipeline.count.priority: must be at most 9999, got 10000: lower it",
        ),
        ("[pipeline.count]", "[pipeline.count]\npriority = -1", "pipeline.count.priority: must be at least 0, got -1"),
        ("[budget]", '[arrivals]\nunmatched = "drop"\n[budget]', "arrivals.unmatched: must be 'reject' or 'ignore'"),
    ],
)
def test_a_fault_names_key_rule_value_and_fix(file: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD

    found = faults(file, GOOD.replace(old, new, 1))

    assert any(fault.startswith(expected) for fault in found), found


def test_all_faults_are_reported_at_once(file: Path) -> None:
    text = GOOD.replace("monthly_usd = 10", 'monthly_usd = "ten"').replace("max_vcpus = 4", "max = 4")

    found = faults(file, text.replace('name = "lab1"', 'name = "x"') + "\n[colour]\nred = 1\n")

    assert len(found) == 5
    for key in ("environment.name", "budget.monthly_usd", "compute.spot.max", "compute.spot.max_vcpus", "colour"):
        assert sum(fault.startswith(f"{key}:") for fault in found) == 1, key


def test_a_pool_with_faults_is_not_reported_as_missing(file: Path) -> None:
    found = faults(file, GOOD.replace("max_vcpus = 4", "max_vcpus = 0"))

    assert len(found) == 1


def test_a_file_without_pools_and_pipelines_is_reported(file: Path) -> None:
    found = faults(file, "")

    assert any(fault.startswith("compute: at least one pool is required") for fault in found)
    assert any(fault.startswith("pipeline: at least one pipeline is required") for fault in found)
    assert any(fault.startswith("environment.name: is required") for fault in found)


def test_a_named_table_must_hold_tables(file: Path) -> None:
    found = faults(file, 'compute = 3\npipeline = "x"\n')

    assert any(fault.startswith("compute: must be tables, got 3") for fault in found)


def test_broken_toml_is_reported_with_its_place(file: Path) -> None:
    (fault,) = faults(file, "[environment\n")

    assert "not TOML" in fault
    assert "line 1" in fault


def test_a_missing_file_and_an_empty_directory_are_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="holds no environment file: add one"):
        load_all(tmp_path)


def test_faults_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x = 1", encoding="utf-8")
    (tmp_path / "b.toml").write_text("[", encoding="utf-8")

    with pytest.raises(SettingsError) as caught:
        load_all(tmp_path)

    assert {Path(fault.split(": ")[0]).name for fault in caught.value.faults} == {"a.toml", "b.toml"}
