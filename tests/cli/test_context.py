"""How the command finds credentials, environment and sandbox, and how it writes to pipes."""

import subprocess
import sys
from pathlib import Path

import pytest
from botocore import exceptions
from click.testing import CliRunner

from dropbatch.cli import environment, errors
from dropbatch.cli.main import _COMMANDS, cli
from tests.cli.conftest import World, without_aws

ROOT = Path(__file__).parents[2]


def client_error(code: str, message: str = "the message") -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (exceptions.NoCredentialsError(), 4, "aws sso login"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="X"), 4, "aws sso login"),
        (exceptions.ProfileNotFound(profile="me"), 4, "AWS_PROFILE"),
        (exceptions.NoRegionError(), 4, "AWS_REGION"),
        (client_error("ExpiredToken"), 4, "have expired"),
        (client_error("InvalidClientTokenId"), 4, "does not know these credentials"),
        (client_error("AccessDenied"), 4, "not allowed: the message"),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), 5, "sandbox status"),
        (exceptions.ConnectTimeoutError(endpoint_url="http://x"), 5, "check the network"),
        (exceptions.HTTPClientError(error=OSError("reset")), 5, "check the network"),
        (client_error("SlowDown"), 5, "try again in a minute"),
        (client_error("InternalServerError"), 5, "try again in a minute"),
        (client_error("RequestTimeTooSkewed"), 4, "the clock of this machine is wrong"),
        (client_error("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier"), 4, "the clock"),
        (client_error("NoSuchBucket"), 1, "the message"),
        (OSError(28, "No space left on device", "/big"), 1, "/big: No space left on device"),
        (PermissionError(13, "Permission denied", "/secret"), 1, "/secret: Permission denied"),
    ],
)
def test_faults_of_the_user_are_explained(error: Exception, code: int, words: str):
    told = errors.in_words(error)

    assert told is not None
    assert told.exit_code == code
    assert words in told.message
    assert "\n" not in told.message


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), OSError("no file")])
def test_faults_of_the_program_keep_their_traceback(error: Exception):
    assert errors.in_words(error) is None


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials and no checkout."""
    without_aws(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["status"], 3, "give --env NAME"),
        (["--env", "sandbox", "status"], 5, "dropbatch sandbox up"),
        (["--env", "dev", "status"], 4, "AWS_REGION"),
        (["sandbox", "status"], 3, "go to a checkout"),
        (["sandbox", "env"], 3, "go to a checkout"),
        (["demo"], 3, "go to a checkout"),
        (["demo-down"], 3, "go to a checkout"),
    ],
)
@pytest.mark.usefixtures("nothing")
def test_a_user_without_any_setup_gets_instructions(arguments: list[str], code: int, words: str):
    result = CliRunner().invoke(cli, arguments)

    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.usefixtures("nothing")
def test_missing_credentials_are_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    result = CliRunner().invoke(cli, ["--env", "dev", "status"])

    assert result.exit_code == 4
    assert "no usable AWS credentials" in result.stderr


@pytest.mark.usefixtures("nothing")
def test_a_stopped_sandbox_is_explained(tmp_path: Path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "sandbox.toml").touch()

    for arguments in (["sandbox", "status"], ["sandbox", "env"], ["--env", "sandbox", "status"]):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 5
        assert "dropbatch sandbox up" in result.stderr


def test_the_environment_variable_names_the_environment():
    assert environment.choose(None, {"DROPBATCH_ENV": "prod"}) == "prod"
    assert environment.choose("dev", {"DROPBATCH_ENV": "prod"}) == "dev"


@pytest.mark.usefixtures("nothing")
def test_the_variables_of_a_sandbox_work_outside_its_checkout():
    env = {"DROPBATCH_SANDBOX_DIR": "/somewhere", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}

    assert environment.choose(None, env) == "sandbox"


def test_the_checkout_is_found_from_a_folder_below(tmp_path: Path):
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "sandbox.toml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)

    assert environment.project_root(tmp_path / "a" / "b") == tmp_path.resolve()
    assert environment.project_root(Path("/")) is None


def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    words = ["-c", code, *arguments] if code else ["-m", "dropbatch.cli", *arguments]
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_imports_no_slow_module():
    code = (
        "import sys; from dropbatch.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "slow = {'boto3', 'botocore', 'rich', 'pydantic', 'cdktf', 'ministack'} & set(sys.modules)\n"
        "sys.exit(str(slow) if slow else 0)"
    )

    done = run(code=code)

    assert done.returncode == 0, done.stderr
    assert "Commands:" in done.stdout


@pytest.mark.parametrize("command", list(_COMMANDS))
def test_every_command_has_help_with_an_example(command: str):
    result = CliRunner().invoke(cli, [command, "--help"])

    assert result.exit_code == 0
    assert f"dropbatch {command}" in result.output.partition("Example")[2]


def test_exit_codes_reach_the_shell():
    done = run("show", "nonsense", "extra")

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_version_is_printed():
    assert run("--version").stdout.startswith("dropbatch ")


# --- failures that a person causes, whole: arguments to words ---------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--env", "nosuch", "status"], 3, "check --env, AWS_PROFILE and AWS_REGION"),
        (["--group", "lba", "status"], 2, "known are lab"),
        (["status", "--pipeline", "wordcuont"], 2, "known are wordcount"),
        (["status", "--since", "2 fortnights"], 2, "write 30min, 2h, 3d"),
        (["status", "--since", "2999-01-01"], 2, "choose another time"),
        (["show", "r-xyz"], 2, "ids look like r-"),
        (["show", "r-00000000000000000000"], 3, "see `dropbatch status`"),
        (["logs", "r-ffff"], 3, "see `dropbatch status`"),
        (["fetch", "none.txt", "{dir}"], 3, "see `dropbatch status`"),
        (["fetch", "s3://elsewhere/none.txt", "{dir}"], 2, "check --env"),
        (["cancel", "r-ffff", "--yes"], 3, "see `dropbatch status`"),
        (["retry"], 2, "give --all"),
        (["drop", "{dir}/none.txt"], 3, "does not exist"),
    ],
)
def test_usage_errors_are_one_line(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, arguments: list[str], code: int, words: str
):
    environ = world.sandbox.environ()
    if "nosuch" in arguments:  # an environment that is no sandbox is reached by a person's own settings
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

    result = world.call(*(each.format(dir=tmp_path) for each in arguments))

    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
