"""An installation by `pipx install`: the command without cdktf, Node and the sandbox."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dropbatch.cli.errors import CliError, in_words
from dropbatch.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
NEVER = {"cdktf", "constructs", "jsii", "ministack"}


def test_a_missing_sandbox_extra_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "sandbox.toml").write_text('[environment]\nname = "sandbox"\nregion = "eu-west-1"\n')
    monkeypatch.setattr("dropbatch.sandbox.lifecycle.find_spec", lambda name: None)

    with pytest.raises(Exception, match="not part of this installation") as caught:
        Sandbox.at(tmp_path).up()

    told = in_words(caught.value)
    assert isinstance(told, CliError)
    assert "dropbatch[sandbox]" in told.message


@pytest.mark.soak
def test_a_fresh_installation_works(tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    bin_ = tmp_path / "venv" / "bin"
    subprocess.run([bin_ / "pip", "install", "--quiet", str(ROOT)], check=True)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(bin_ / "dropbatch"), *arguments]
        environ = {"HOME": str(tmp_path), "PATH": f"{bin_}:/usr/bin:/bin"}
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    listed = subprocess.run([bin_ / "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    installed = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert not installed & NEVER
    assert {each.partition(">")[0] for each in declared["dependencies"]} <= installed
    assert "Commands:" in run("--help").stdout
    assert run("init", "--pipeline", "align").returncode == 0
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "sandbox.toml").write_text('[environment]\nname = "sandbox"\nregion = "eu-west-1"\n')
    assert run("report", "--help").returncode == 0
    refused = run("sandbox", "up")
    assert refused.returncode == 1
    assert "dropbatch[sandbox]" in refused.stderr
    files = subprocess.run(
        [bin_ / "python", "-c", "from dropbatch.cli.report import page; print(len(page({}, about={})))"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(files.stdout) > 200_000  # the page's parts were installed too
