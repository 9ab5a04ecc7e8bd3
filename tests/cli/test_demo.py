"""The parts of the demo that need no deployment; tests/e2e runs the complete demo."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dropbatch.cli import demo, runs, sandbox_stack, text
from dropbatch.cli.commands import status
from dropbatch.cli.errors import CliError, NotFoundError, UsageFault
from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.errors import TerraformError
from dropbatch.sandbox.processes import exclusive
from tests.project import SHIPPED
from tests.sandbox.batch_world import eventually


class FakeReporter:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def data(self, text: str) -> None:
        raise AssertionError("the demo prints nothing while it talks")

    def now(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project whose synthesis writes one stack."""
    (tmp_path / "program").write_text("one")
    (tmp_path / "main.py").write_text(
        "import pathlib, os\n"
        "assert os.environ['JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION']\n"
        "target = pathlib.Path('cdktf.out/stacks/sandbox'); target.mkdir(parents=True, exist_ok=True)\n"
        "(target / 'cdk.tf.json').write_text(pathlib.Path('program').read_text())\n"
    )
    return tmp_path


@pytest.fixture
def applies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of Terraform."""
    asked: list[str] = []

    class Terraform:
        def __init__(self, *_: Any) -> None: ...

        def init(self, *_: Any) -> None: ...

        def apply(self, *_: Any) -> None:
            if "fail" in asked:
                raise TerraformError("terraform apply failed")
            if "interrupt" in asked:
                raise KeyboardInterrupt
            asked.append("apply")

    monkeypatch.setattr("dropbatch.sandbox.terraform.Terraform", Terraform)

    def empty(self: Sandbox, *_: Any) -> None:
        asked[:] = ["empty"]
        self.layout.discard_state()

    monkeypatch.setattr(Sandbox, "environ", lambda self: {})
    monkeypatch.setattr(Sandbox, "empty", empty)
    return asked


def interrupted(checkout: Path, sandbox: Sandbox, applies: list[str]) -> None:
    """Interrupt a deploy, so that resources are in the way of the next one."""
    applies.append("interrupt")
    with pytest.raises(KeyboardInterrupt):
        sandbox_stack.deploy(checkout, sandbox, FakeReporter())
    applies.remove("interrupt")
    applies.append("fail")


def test_only_what_changed_is_applied(checkout: Path, applies: list[str]):
    sandbox = Sandbox.at(checkout)

    done = [sandbox_stack.deploy(checkout, sandbox, FakeReporter()) for _ in range(2)]
    (checkout / "program").write_text("two")
    done.append(sandbox_stack.deploy(checkout, sandbox, FakeReporter()))

    assert done == [True, False, True]
    assert applies == ["apply", "apply"]


def test_the_second_of_two_concurrent_demos_waits_and_finds_the_work_done(checkout: Path, applies: list[str]):
    sandbox = Sandbox.at(checkout)
    reporter = FakeReporter()

    with ThreadPoolExecutor(2) as threads, exclusive(sandbox.layout.deploying):
        done = [threads.submit(sandbox_stack.deploy, checkout, sandbox, reporter) for _ in range(2)]
        eventually(lambda: [line.partition(":")[0] for line in reporter.lines] == ["waiting"] * 2)
        assert applies == []

    assert sorted(each.result() for each in done) == [False, True]
    assert applies == ["apply"]


def test_a_failed_apply_does_not_count_as_applied(checkout: Path, applies: list[str]):
    sandbox = Sandbox.at(checkout)
    sandbox_stack.deploy(checkout, sandbox, FakeReporter())
    (checkout / "program").write_text("two")
    applies.append("fail")
    for _ in range(2):
        with pytest.raises(TerraformError, match=r"^terraform apply failed$"):
            sandbox_stack.deploy(checkout, sandbox, FakeReporter())
    applies.remove("fail")
    (checkout / "program").write_text("one")

    assert sandbox_stack.deploy(checkout, sandbox, FakeReporter()) is True
    assert applies == ["apply", "apply"]


def test_an_interrupted_first_deploy_empties_the_sandbox_if_resources_are_in_the_way(
    checkout: Path, applies: list[str]
):
    sandbox, reporter = Sandbox.at(checkout), FakeReporter()
    interrupted(checkout, sandbox, applies)

    assert sandbox_stack.deploy(checkout, sandbox, reporter) is True

    assert applies == ["empty", "apply"]
    assert any("Terraform does not know" in line for line in reporter.lines)
    assert sandbox_stack.deploy(checkout, sandbox, FakeReporter()) is False


def test_a_killed_first_deploy_empties_the_sandbox_at_once(checkout: Path, applies: list[str]):
    sandbox = Sandbox.at(checkout)
    interrupted(checkout, sandbox, applies)
    sandbox_stack._applying(sandbox).write_text("")  # nobody was left to say how it ended

    assert sandbox_stack.deploy(checkout, sandbox, FakeReporter()) is True

    assert applies == ["empty", "apply"]


def test_an_interrupted_change_names_the_fix_and_loses_nothing(checkout: Path, applies: list[str]):
    sandbox = Sandbox.at(checkout)
    sandbox_stack.deploy(checkout, sandbox, FakeReporter())
    (checkout / "program").write_text("two")
    interrupted(checkout, sandbox, applies)

    with pytest.raises(CliError, match=r"terraform apply failed\n.* run `make demo-down`, then `make demo`"):
        sandbox_stack.deploy(checkout, sandbox, FakeReporter())

    assert "empty" not in applies


def test_a_lost_sandbox_is_deployed_again(checkout: Path, applies: list[str]):
    sandbox = Sandbox.at(checkout)
    sandbox_stack.deploy(checkout, sandbox, FakeReporter())
    sandbox.layout.discard_state()

    assert sandbox_stack.deploy(checkout, sandbox, FakeReporter()) is True


def test_a_fault_in_an_environment_file_is_shown(checkout: Path):
    (checkout / "main.py").write_text("import sys; sys.exit('sandbox.toml: [compute.spot] max_vcpus: …')")

    with pytest.raises(CliError, match="max_vcpus"):
        sandbox_stack.synthesize(checkout, FakeReporter())


def test_a_missing_tool_is_named_before_its_consequences(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    (checkout / "main.py").write_text("import sys; sys.exit('a page about terraform version')")
    monkeypatch.setenv("PATH", str(checkout))

    with pytest.raises(
        CliError, match=r"^node is not on PATH, .*\nterraform is not on PATH, .* or newer is required: get it from"
    ):
        sandbox_stack.synthesize(checkout, FakeReporter())


def test_files_left_by_terraform_do_not_count_as_changes(tmp_path: Path):
    (tmp_path / "cdk.tf.json").write_text("{}")
    before = sandbox_stack.digest(tmp_path)
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform" / "x").touch()
    (tmp_path / "terraform.tfstate").touch()
    assert sandbox_stack.digest(tmp_path) == before

    (tmp_path / "asset.zip").touch()
    assert sandbox_stack.digest(tmp_path) != before


def test_the_demo_uses_a_pipeline_that_any_file_starts(tmp_path: Path):
    (tmp_path / "environments").mkdir()
    file = tmp_path / "environments" / "sandbox.toml"
    declared = (SHIPPED / "environments" / "sandbox.toml").read_text()
    table = declared[declared.index("[pipeline.wordcount]") :]
    file.write_text(declared.replace(table, table.replace("wordcount]", "folders]") + 'trigger = "folder"\n\n' + table))

    assert demo.starter(tmp_path) == "wordcount"

    file.write_text(declared + 'trigger = "submit"\n')
    with pytest.raises(UsageFault, match="no pipeline that accepts any file"):
        demo.starter(tmp_path)


def test_the_sample_file_is_chosen(tmp_path: Path):
    own = tmp_path / "own.txt"
    own.touch()

    assert demo.choose_file(own, tmp_path) == own
    assert demo.choose_file(None, Path(__file__).parents[2]).stat().st_size > 1000
    with pytest.raises(NotFoundError):
        demo.choose_file(tmp_path / "none", tmp_path)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.44, "0.4 s"), (9.99, "10.0 s"), (12, "12 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_are_shown_readably(seconds: float, words: str):
    assert text.duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**30 * 12, "12 GiB"), (2**45, "32.0 TiB")]
)
def test_sizes_are_shown_readably(count: int, words: str):
    assert text.size(count) == words


def test_ages_are_shown_readably():
    now = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)

    assert [text.age(moment, now) for moment in ("2026-01-02T11:59:58.000Z", "2026-01-02T10:00:00Z", "")] == [
        "2 s ago",
        "2 h ago",
        "",
    ]


def test_the_table_of_runs_fits_80_columns():
    item = {
        "run_id": "r-" + "a" * 20,
        "group": "lab",
        "pipeline": "wordcount",
        "state": "SUCCEEDED",
        "input": "s3://bucket/lab/wordcount/" + "long name " * 20,
        "reason": "words " * 50,
        "created_at": "2026-01-02T11:59:58.000Z",
    }
    console = Console(width=80)

    with console.capture() as captured:
        console.print(status._table([runs.read_item(item)] * 2, id_length=12))

    lines = captured.get().splitlines()
    assert len(lines) == 3
    assert all("SUCCEEDED" in line and "wordcount" in line for line in lines[1:])
