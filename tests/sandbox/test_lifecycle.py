import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropbatch.sandbox import Sandbox, SandboxError
from dropbatch.sandbox.errors import StartError
from dropbatch.sandbox.processes import noted
from tests.sandbox.batch_stack import BatchStack
from tests.sandbox.batch_world import eventually
from tests.sandbox.conftest import client_of, sandbox_in

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Sandbox]:
    made = sandbox_in(tmp_path)
    yield made
    made.destroy_state()


def processes_of(sandbox: Sandbox) -> dict[int, str]:
    """Return the command lines of all processes that name this sandbox's directory."""
    mark = str(sandbox.layout.directory).encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and (
                mark in (process / "environ").read_bytes() or mark in (process / "cmdline").read_bytes()
            ):
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def test_a_second_start_returns_the_running_server(sandbox: Sandbox) -> None:
    url, pid = sandbox.environ()["AWS_ENDPOINT_URL"], sandbox.status().pid

    assert sandbox.up().url == url
    assert sandbox.status().pid == pid


def test_the_state_survives_a_restart(own: Sandbox) -> None:
    own.up()
    client_of(own)("s3").create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    stack = BatchStack(own, client_of(own))
    job = stack.run("true")["jobId"]

    own.down()
    assert not own.status().running
    url = own.up().url

    aws = client_of(own)
    assert [each["Name"] for each in aws("s3").list_buckets()["Buckets"]] == ["kept"]
    assert aws("batch").describe_jobs(jobs=[job])["jobs"][0]["status"] == "SUCCEEDED"
    assert url == own.status().url


def test_an_emptied_sandbox_runs_without_state(own: Sandbox) -> None:
    own.up(runner="stub")
    client_of(own)("sqs").create_queue(QueueName="q")

    said: list[str] = []
    own.empty(said.append)

    assert not client_of(own)("sqs").list_queues().get("QueueUrls")
    assert own.status().runner == "stub"
    assert not any("did not end cleanly" in line for line in said)


def test_a_stop_reports_an_object_that_could_not_be_saved_and_the_next_start_is_empty(
    own: Sandbox,
) -> None:
    own.up()
    s3 = client_of(own)("s3")
    s3.create_bucket(Bucket="full", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    shutil.rmtree(own.layout.objects)
    own.layout.objects.touch()  # as a full disk would, it takes no file
    s3.put_object(Bucket="full", Key="k", Body=b"x")

    said: list[str] = []
    own.down(said.append)
    own.layout.objects.unlink()
    own.up(said.append)

    assert [line for line in said if "could not be saved" in line and "server.log" in line], said
    assert any("did not end cleanly" in line for line in said), said
    assert client_of(own)("s3").list_buckets()["Buckets"] == []


@on_linux
def test_a_stop_leaves_no_process_and_no_scratch_file(own: Sandbox) -> None:
    own.up()
    stack = BatchStack(own, client_of(own))
    stack.until(stack.submit("sleep", "300"), "RUNNING")
    assert any("sleep" in each for each in processes_of(own).values()), processes_of(own)

    own.down()

    assert processes_of(own) == {}
    left = {path.name for path in own.layout.directory.iterdir()}
    assert not left & {"scratch", "tmp", "groups", "server.json", "unsaved"}


@on_linux
def test_a_start_after_a_killed_server_removes_orphans_and_reports_the_lost_state(own: Sandbox) -> None:
    own.up()
    stack = BatchStack(own, client_of(own))
    stack.until(stack.submit("sleep", "300"), "RUNNING")
    state_file = own.layout.terraform / "sandbox" / "terraform.tfstate"
    state_file.parent.mkdir(parents=True)
    state_file.touch()

    pid = own.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    eventually(lambda: processes_of(own) == {}, lambda: processes_of(own))  # the reaper needs no `up` for this
    assert not own.status().running
    said: list[str] = []
    own.up(said.append)
    assert any("did not end cleanly" in line and "discarded" in line for line in said), said
    assert client_of(own)("batch").describe_job_queues()["jobQueues"] == []
    assert not state_file.exists()


@on_linux
def test_a_start_kills_orphans_that_server_and_reaper_left(own: Sandbox) -> None:
    own.up()
    stack = BatchStack(own, client_of(own))
    stack.until(stack.submit("sleep", "300"), "RUNNING")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            environ = (process / "environ").read_bytes()
        except OSError:
            continue
        if b"dropbatch.sandbox.reaper" in command and str(own.layout.directory).encode() in environ:
            os.kill(int(process.name), signal.SIGKILL)
    pid = own.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not own.status().running)
    assert any("sleep" in each for each in processes_of(own).values())

    own.up()

    assert not any("sleep" in each for each in processes_of(own).values())


def test_a_stop_ends_an_orphaned_terraform(own: Sandbox) -> None:
    own.up()
    with subprocess.Popen(["sleep", "600"], process_group=0) as orphan, noted(own.layout.groups, orphan.pid):
        own.down()

        assert orphan.wait(timeout=10) == -signal.SIGKILL


def test_two_concurrent_starts_give_one_server(own: Sandbox) -> None:
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(Sandbox(own.layout.directory, own.region).up())) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)

    assert len(found) == 3
    assert len(set(map(repr, found))) == 1


@on_linux
def test_a_running_sandbox_listens_on_loopback_only(sandbox: Sandbox) -> None:
    inodes = set()
    for pid in processes_of(sandbox):  # the server, its reaper, functions, jobs
        with contextlib.suppress(OSError):
            inodes |= {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    listening = [
        fields[1].rpartition(":")[0]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes
    ]

    assert set(listening) == {"0100007F"}  # 127.0.0.1


def test_a_start_moves_to_another_port_when_its_own_is_taken(own: Sandbox) -> None:
    own.up()
    port = int(own.layout.port.read_text())
    client_of(own)("sqs").create_queue(QueueName="q")
    own.down()

    with socket.create_server(("127.0.0.1", port)):
        said: list[str] = []
        url = own.up(said.append).url
        assert any(f"port {port} is taken" in line for line in said)
        assert url != f"http://127.0.0.1:{port}"
        queue = client_of(own)("sqs").get_queue_url(QueueName="q")["QueueUrl"]
        assert queue == f"{url}/000000000000/q"


def test_a_start_in_another_region_discards_the_old_state_and_reports_it(own: Sandbox) -> None:
    own.up()
    client_of(own)("sqs").create_queue(QueueName="q")
    own.down()

    said: list[str] = []
    moved = Sandbox(own.layout.directory, "us-west-2")
    moved.up(said.append)

    assert any("from eu-central-1 to us-west-2" in line for line in said)
    assert not client_of(moved)("sqs").list_queues().get("QueueUrls")


@on_linux
def test_an_interrupted_start_leaves_nothing(own: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Sandbox, "_wait_until_ready", interrupt)
        with pytest.raises(KeyboardInterrupt):
            own.up()

    eventually(lambda: processes_of(own) == {}, lambda: processes_of(own))
    assert not own.layout.server.exists()
    own.up()


def test_a_server_that_dies_at_once_shows_its_last_lines(own: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = Sandbox._server_environment

    def incomplete(self: Sandbox, port: int) -> dict[str, str]:
        return {name: value for name, value in complete(self, port).items() if name != "MINISTACK_REGION"}

    monkeypatch.setattr(Sandbox, "_server_environment", incomplete)

    with pytest.raises(StartError, match="KeyError: 'MINISTACK_REGION'"):
        own.up()


def test_the_variables_of_a_stopped_sandbox_name_the_command_that_starts_it(own: Sandbox) -> None:
    with pytest.raises(SandboxError, match="dropbatch sandbox up"):
        own.environ()


def test_only_the_owner_may_read_the_secret(sandbox: Sandbox) -> None:
    assert sandbox.layout.secret.stat().st_mode & 0o777 == 0o600
    assert sandbox.layout.directory.stat().st_mode & 0o777 == 0o700


class TestGate:
    def request(
        self, sandbox: Sandbox, method: str, path: str, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", int(sandbox.layout.port.read_text()))
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/"), ("GET", "/some-bucket/key"), ("POST", "/_ministack/reset")]
    )
    def test_a_request_without_a_signature_is_refused(self, sandbox: Sandbox, method: str, path: str) -> None:
        assert self.request(sandbox, method, path)[0] == 403

    def test_a_request_to_another_host_name_is_refused(self, sandbox: Sandbox) -> None:
        status, text = self.request(sandbox, "GET", "/_dropbatch/status", {"Host": "evil.example:80"})

        assert (status, "127.0.0.1" in text) == (403, True)

    def test_the_status_counts_jobs_by_state(self, sandbox: Sandbox) -> None:
        status, text = self.request(sandbox, "GET", "/_dropbatch/status")

        assert status == 200
        assert set(json.loads(text)["jobs"]) >= {"RUNNING", "SUCCEEDED", "FAILED"}
