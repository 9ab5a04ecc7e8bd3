"""Tab completion of commands, names and runs, in each shell's own script."""

import shutil
import subprocess
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from dropbatch.cli.context import Context
from dropbatch.cli.main import cli
from dropbatch.contract.runs import State
from tests.cli.conftest import World


def offered(*words: str, incomplete: str = "") -> list[str]:
    found = ShellComplete(cli, {}, "dropbatch", "_X").get_completions(list(words), incomplete)
    return [each.value for each in found]


def test_commands_are_completed():
    assert "status" in offered(incomplete="st")
    assert offered("sandbox", incomplete="cl") == ["clock"]


def test_names_and_runs_are_completed(world: World):
    item = world.item(State.FAILED)

    assert offered("show") == [item["run_id"]]
    assert offered("logs", incomplete="r-zz") == []
    assert offered("drop", "--pipeline") == ["wordcount"]
    assert offered("--group") == ["lab"]
    assert offered("--group", "lab", "retry", incomplete="r-") == [item["run_id"]]


@pytest.mark.parametrize("trouble", [KeyError("x"), SystemExit(3)])
def test_a_failing_query_completes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trouble: BaseException
):
    def fail(*_: Any) -> None:
        raise trouble

    monkeypatch.setattr(Context, "deployed", property(fail))

    assert offered("show") == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_accepts_its_script(shell: str):
    script = CliRunner().invoke(cli, ["completion", shell]).stdout

    assert "_DROPBATCH_COMPLETE" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    elif shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
