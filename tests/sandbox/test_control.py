"""The control endpoint of a running sandbox, and the faults that need one."""

import http.client
import io
import json
import time
import zipfile
from collections.abc import Iterator

import pytest
from botocore.exceptions import ConnectionClosedError
from click.testing import CliRunner

from dropbatch.cli.main import cli
from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.errors import SandboxError
from tests.sandbox.batch_stack import BatchStack, trust
from tests.sandbox.batch_world import eventually
from tests.sandbox.conftest import Client


@pytest.fixture(autouse=True)
def _nothing_stays(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.control({"clear": True})
    sandbox.control({"clock": 1})


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}])
def test_the_endpoint_refuses_requests_without_a_key(sandbox: Sandbox, headers: dict[str, str]) -> None:
    host = sandbox.environ()["AWS_ENDPOINT_URL"].removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)

    connection.request("POST", "/_dropbatch/control", body='{"clock": 5}', headers=headers)

    assert connection.getresponse().status == 403
    connection.close()
    assert sandbox.control()["clock"] == 1


def test_an_invalid_request_is_answered_with_the_valid_ones(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="fault: one of"):
        sandbox.control({"fault": "fire"})
    with pytest.raises(SandboxError, match="seconds per second, got 0"):
        sandbox.control({"clock": 0})
    with pytest.raises(SandboxError, match="no function is named 'nobody'"):
        sandbox.control({"fault": "kill-function", "function": "nobody"})


def test_starting_with_another_runner_asks_to_stop_first(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="not with the container runner"):
        sandbox.up(runner="container")
    with pytest.raises(SandboxError, match="one of process, container, stub, got 'vm'"):
        sandbox.up(runner="vm")

    assert sandbox.up(runner="process").url == sandbox.environ()["AWS_ENDPOINT_URL"]


def test_a_lost_answer_breaks_the_connection_and_the_job_runs(sandbox: Sandbox, aws: Client) -> None:
    stack = BatchStack(sandbox, aws)
    sandbox.control({"fault": "lost-answer"})

    with pytest.raises(ConnectionClosedError):
        stack.submit("true")

    def listed() -> list[str]:
        found = stack.batch.list_jobs(jobQueue=stack.queue, filters=[{"name": "JOB_NAME", "values": ["job"]}])
        return [each["jobId"] for each in found["jobSummaryList"]]

    (job,) = listed()
    stack.until(job, "SUCCEEDED")
    stack.submit("true")
    assert len(listed()) == 2


def test_a_reclaimed_host_ends_a_real_process(sandbox: Sandbox, aws: Client) -> None:
    stack = BatchStack(sandbox, aws)
    job = stack.submit("sleep", "600")
    stack.until(job, "RUNNING")

    answer = sandbox.control({"fault": "reclaim", "job": job})

    assert answer == {"jobs": [job]}
    assert stack.until(job, "FAILED")["statusReason"].startswith("Host EC2 (instance i-")


def test_a_fast_clock_shortens_a_time_limit(sandbox: Sandbox, aws: Client) -> None:
    stack = BatchStack(sandbox, aws)
    sandbox.control({"clock": 600})

    begun = time.monotonic()
    ended = stack.run("sleep", "600", timeout={"attemptDurationSeconds": 60})

    assert ended["statusReason"] == "Job attempt duration exceeded timeout"
    assert time.monotonic() - begun < 10


def test_a_killed_function_process_fails_the_invocation(sandbox: Sandbox, aws: Client) -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr(
            "f.py", "import time\ndef handle(event, context):\n    time.sleep(event['seconds'])\n    return 1\n"
        )
    role = aws("iam").create_role(RoleName="killed", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    functions = aws("lambda")
    functions.create_function(
        FunctionName="lab-killed",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="f.handle",
        Code={"ZipFile": code.getvalue()},
        Timeout=30,
    )

    set_to = sandbox.control({"fault": "kill-function", "function": "killed", "seconds": 2})["faults"]
    assert set_to == [{"fault": "kill-function", "function": "killed", "seconds": 2, "times": 1}]
    spared = functions.invoke(FunctionName="lab-killed", Payload=json.dumps({"seconds": 0}))
    died = functions.invoke(FunctionName="lab-killed", Payload=json.dumps({"seconds": 20}))
    after = functions.invoke(FunctionName="lab-killed", Payload=json.dumps({"seconds": 0}))

    assert "FunctionError" not in spared
    assert died["FunctionError"]
    assert sandbox.control()["faults"] == []
    assert sandbox.control()["killed"] == {"lab-killed": 1}
    assert "FunctionError" not in after


def test_a_cleared_death_never_happens(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="seconds and times are numbers"):
        sandbox.control({"fault": "kill-function", "function": "killed", "times": "many"})
    assert sandbox.control({"fault": "kill-function", "function": "killed", "times": 3})["faults"]

    assert sandbox.control({"clear": "kill-function"})["faults"] == []


def test_the_command_sets_lists_and_clears_faults(
    sandbox: Sandbox, aws: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sandbox.layout.directory.parents[1])
    queue = BatchStack(sandbox, aws).name.partition("-")[2]  # the end of its name will do

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["sandbox", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert run("fault", "no-capacity", "--queue", queue) == f"no-capacity  queue={queue}\n"
    assert run("fault", "drop-events", "--status", "FAILED") == (
        f"no-capacity  queue={queue}\ndrop-events  status=FAILED  times=1\n"
    )
    assert run("fault", "clear") == ""
    assert run("fault") == ""
    assert run("clock", "60") == "60 seconds of Batch's time a second\n"
    eventually(lambda: sandbox.control()["clock"] == 60)
    failed = CliRunner().invoke(cli, ["sandbox", "fault", "fire"])
    assert failed.exit_code == 1
    assert "fault: one of no-capacity" in failed.stderr


def test_a_fault_in_an_unknown_queue_names_the_known_queues(sandbox: Sandbox, aws: Client) -> None:
    stack = BatchStack(sandbox, aws)

    for kind in ("no-capacity", "reclaim"):
        with pytest.raises(SandboxError, match=rf"no job queue is named 'nope': there are .*{stack.name}"):
            sandbox.control({"fault": kind, "queue": "nope"})
    with pytest.raises(SandboxError, match=r"status is one of SUBMITTED.*FAILED, got 'DONE'"):
        sandbox.control({"fault": "drop-events", "status": "DONE"})
    with pytest.raises(SandboxError, match=r"one of no-capacity, .*reclaim, kill-function, got 'rain'"):
        sandbox.control({"fault": "rain"})


def test_the_status_shows_faults_runner_clock_and_jobs(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sandbox.layout.directory.parents[1])
    runner = CliRunner()
    assert "no fault is set" in runner.invoke(cli, ["sandbox", "fault"]).stderr
    assert "no running job matched" in runner.invoke(cli, ["sandbox", "fault", "reclaim", "--job", "none"]).stderr
    assert runner.invoke(cli, ["sandbox", "clock"]).stdout == "1 second of Batch's time a second\n"

    runner.invoke(cli, ["sandbox", "fault", "throttle", "--rate", "5"])
    runner.invoke(cli, ["sandbox", "fault", "lost-answer"])
    runner.invoke(cli, ["sandbox", "clock", "60"])
    shown = runner.invoke(cli, ["sandbox", "status"]).stdout.splitlines()

    assert shown[1:4] == ["runner  process", "region  eu-central-1", f"state   {sandbox.layout.directory}"]
    assert shown[4].startswith("jobs    ")
    assert shown[5:] == [
        "clock   60 seconds of Batch's time a second",
        "faults  throttle  rate=5.0",
        "        lost-answer  times=1",
    ]
