"""`init` writes a valid environment file and a pipeline folder whose test passes."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dropbatch.cli import init_files
from dropbatch.cli.main import cli
from dropbatch.settings import load

ROOT = Path(__file__).parents[2]
FIVE = ["--name", "lab1", "--region", "eu-west-1", "--email", "me@x.org", "--monthly-usd", "20", "--max-vcpus", "32"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def init(*arguments: str, **more: str) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments], **more)  # type: ignore[arg-type]


def test_options_answer_all_questions(tmp_path: Path):
    result = init(*FIVE)

    assert result.exit_code == 0, result.output
    assert result.stdout == "environments/lab1.toml\n"
    assert "npx cdktf deploy lab1" in result.stderr
    file = tmp_path / "environments" / "lab1.toml"
    named = file.read_text("utf-8").splitlines()[0].removeprefix("#:schema ")
    assert (ROOT / "environments" / named).is_file(), "editors look there for what keys mean"
    settings = load(file)
    assert (settings.environment.region, settings.notify.email) == ("eu-west-1", "me@x.org")
    assert (settings.budget.monthly_usd, settings.compute["spot"].max_vcpus) == (20, 32)


def test_a_question_is_repeated_until_the_answer_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dropbatch.cli.commands.init.is_interactive", lambda: True)

    result = init("--region", "eu-west-1", input="My Lab\nlab1\nnobody\nme@x.org\nmany\n0\n20\n32\n")

    assert result.exit_code == 0, result.output
    assert result.stdout == "environments/lab1.toml\n"
    for words in ("environment.name: must match", "notify.email: must match", "not a valid integer", "at least 1"):
        assert words in result.stderr
    assert load(tmp_path / "environments" / "lab1.toml").budget.monthly_usd == 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--name", "lab1"],
            "cannot ask, because the input is not a terminal: give --region, --email, --monthly-usd, --max-vcpus too",
        ),
        ([*FIVE, "--name", "../up"], "environment.name: must match"),
        ([*FIVE, "--name", 'a"\nb = "c'], "environment.name: must match"),
        ([*FIVE, "--name", "bootstrap"], "must not be 'bootstrap'"),
        ([*FIVE, "--monthly-usd", "0", "--region", "x"], "environment.region: must match"),
        (["--pipeline", "Align"], "not a valid pipeline name"),
        (["--pipeline", "inputs"], "is a reserved folder name"),
        (["--pipeline", "align", "--name", "x"], "leave out the options about the environment"),
    ],
)
def test_invalid_answers_write_nothing(tmp_path: Path, arguments: list[str], words: str):
    result = init(*arguments)

    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path):
    init(*FIVE)
    path = tmp_path / "environments" / "lab1.toml"
    path.write_text("precious")

    result = init(*FIVE)

    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert path.read_text() == "precious"


def test_a_new_pipeline_folder_passes_its_test(tmp_path: Path):
    result = init("--pipeline", "align-reads", "--json")

    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    folder = tmp_path / "image" / "align-reads"
    assert {Path(each).name for each in body["files"]} == {
        *("Dockerfile", "requirements.txt", "checksums.txt", "align-reads", "test_align_reads.py")
    }
    assert (folder / "align-reads").stat().st_mode & 0o111
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(folder)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout
    init(*FIVE)
    environment = tmp_path / "environments" / "lab1.toml"
    environment.write_text(environment.read_text() + "\n" + body["table"])
    assert load(environment).pipeline["align-reads"].image == "image/align-reads"
    assert tomllib.loads(body["table"])["pipeline"]["align-reads"]["command"][0] == "align-reads"


def test_the_image_of_a_new_pipeline_is_built_like_the_example():
    example = ROOT / "image" / "wordcount"
    written = init_files.pipeline_files("x1")

    assert written["Dockerfile"].splitlines()[1:] == (example / "Dockerfile").read_text().splitlines()[1:]
    for name in ("requirements.txt", "checksums.txt"):
        assert written[name] == (example / name).read_text()
