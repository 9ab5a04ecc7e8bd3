"""Only one job runs an attempt: the fence, further tries, signals, killed processes."""

import os
import signal
import subprocess

import pytest

from dropbatch.contract.endings import ExitCode
from tests.runtime.conftest import Cloud, rights


def test_a_superseded_job_changes_nothing(cloud: Cloud):
    job = cloud.job()
    job.sh("echo result > {output}/r")
    before = {name: job.get(name) for name in job.names}

    ended = cloud.again(job, job_id="late").sh("echo other > {output}/r")

    assert ended.code == ExitCode.SUPERSEDED
    assert {name: job.get(name) for name in job.names} == before
    assert "is run by job" in ended.err


def test_another_try_of_the_same_job_continues(cloud: Cloud):
    job = cloud.job()
    job.sh("exit 1")

    ended = job.sh("echo 2 > {output}/r", AWS_BATCH_JOB_ATTEMPT="2")

    assert ended.code == 0, ended.err
    record = job.record
    assert record is not None
    assert (record["status"], record["job_try"]) == ("SUCCEEDED", 2)


def test_another_attempt_has_its_own_fence(cloud: Cloud):
    job = cloud.job()
    job.sh("exit 1")

    ended = cloud.again(job, job_id="second", attempt=2).sh("true")

    assert ended.code == 0, ended.err
    record = job.record
    assert record is not None
    assert record["attempt"] == 2


def test_nothing_runs_without_the_fence(cloud: Cloud):
    job = cloud.job()
    without = [each for each in rights() if not any("started" in resource for resource in each["Resource"])]

    ended = job.sh("echo ran", **cloud.credentials(without))

    assert ended.code == ExitCode.REFUSED
    assert ended.out == ""
    assert job.names == []


def test_the_old_record_is_removed_while_a_new_try_runs(cloud: Cloud):
    job = cloud.job()
    job.sh("exit 1")
    process = job.popen("sh", "-c", "echo running; read nothing < {scratch}/never 2>/dev/null; sleep 60")
    assert process.stdout is not None
    process.stdout.readline()

    assert "_run.json" not in job.names
    process.terminate()
    process.communicate(timeout=60)
    assert "_run.json" in job.names


@pytest.mark.parametrize(
    ("trap", "code", "log"),
    [
        ("echo tidying; exit 7", 7, b"tidying\n"),
        ("echo done; exit 0", 143, b"done\n"),
        ("trap - TERM; kill -TERM $$", 143, b""),
    ],
)
def test_sigterm_is_forwarded_and_results_are_withheld(cloud: Cloud, trap: str, code: int, log: bytes):
    job = cloud.job()
    script = f"trap '{trap}' TERM; echo half > {{output}}/half; echo ready; sleep 60 & wait"
    process = job.popen("sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode == code
    assert job.names == ["_log.txt", "_run.json"]
    record = job.record
    assert record is not None
    assert (record["status"], record["phase"], record["exit_code"]) == ("FAILED", "program", code)
    assert record["reason"] == "stopped by SIGTERM while sh was running, results are withheld"
    assert (job.get("_log.txt") or b"").startswith(b"ready\n" + log)


def test_a_killed_job_succeeds_at_the_next_try(cloud: Cloud):
    job = cloud.job(b"one two three")
    process = job.popen("sh", "-c", "echo part > {output}/part; echo ready; sleep 60")
    assert process.stdout is not None
    process.stdout.readline()
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    )
    process.kill()
    process.communicate(timeout=60)
    for pid in children.stdout.split():
        os.killpg(int(pid), signal.SIGKILL)
    assert job.record is None

    ended = job.run("wordcount", "{input}", "{output}/counts.txt")

    assert ended.code == 0, ended.err
    assert job.names == ["_log.txt", "_run.json", "counts.txt"]


def is_alive(pid: str) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_a_background_process_does_not_delay_the_end(cloud: Cloud):
    job = cloud.job()

    ended = job.sh("sleep 300 & echo $! ; echo done > {output}/r")

    assert ended.code == 0
    assert not is_alive(ended.out.strip())
