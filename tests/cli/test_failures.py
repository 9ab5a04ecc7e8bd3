"""Failures that users meet, caused for real where possible: one or two lines of output, the fix, an exit code.

tests/cli/test_fetch.py tests a full disk during a download; tests/sandbox/test_lifecycle.py tests a port that is taken.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from botocore.exceptions import IncompleteReadError
from botocore.response import StreamingBody

from dropbatch.contract.runs import State
from tests.cli.conftest import INPUT, World, a_file, without_aws

ROOT = Path(__file__).parents[2]
RUN = "r-" + "a" * 20


@pytest.fixture
def away(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """Work outside the checkout, with the user's own settings for the same AWS."""
    monkeypatch.chdir(tmp_path)
    for name, value in world.sandbox.environ().items():
        monkeypatch.setenv(name, value)
    return world


def assert_told(result: object, code: int, *words: str, lines: int = 1) -> None:
    """Check exit code, text and number of lines, and that stdout is empty."""
    assert result.exit_code == code, result.output  # type: ignore[attr-defined]
    told = result.stderr  # type: ignore[attr-defined]
    for each in words:
        assert each in told
    assert "Traceback" not in told
    assert len(told.splitlines()) <= lines, told
    assert result.stdout == ""  # type: ignore[attr-defined]


def test_missing_credentials_are_explained(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    without_aws(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    assert_told(world.call("--env", "dev", "status"), 4, "no usable AWS credentials", "aws sso login")


def test_credentials_unknown_to_aws_are_explained(away: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")

    assert_told(away.call("--env", "sandbox", "status"), 4, "sign in again")


def test_a_missing_profile_is_explained(away: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "nobodys")

    assert_told(away.call("--env", "dev", "status"), 4, "nobodys", "AWS_PROFILE", "aws configure sso")


def test_another_region_is_explained(away: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")

    result = away.call("--env", "lab", "status")

    assert_told(result, 3, "no environment named lab", "eu-west-1", "AWS_REGION")


def test_an_unknown_environment_names_the_known_ones(away: World):
    result = away.call("--env", "sandbx", "status")

    assert_told(result, 3, "did you mean 'sandbox'? there are sandbox", "check --env")


def test_denied_access_is_explained(away: World, monkeypatch: pytest.MonkeyPatch):
    iam = away.session.client("iam", endpoint_url=away.sandbox.environ()["AWS_ENDPOINT_URL"])
    iam.create_user(UserName="without")
    key = iam.create_access_key(UserName="without")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    try:
        assert_told(away.call("--env", "dev", "status"), 4, "not allowed", "ask whoever runs this environment")
    finally:
        iam.delete_access_key(UserName="without", AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName="without")


def test_an_endpoint_that_does_not_answer_is_explained(away: World, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)

        assert_told(away.call("--env", "dev", "status"), 5, "no response", "check the network")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "r-aaab"], 3, "did you mean 'r-aaaa'?"),
        (["logs", RUN[:-1] + "b"], 3, f"did you mean '{RUN}'?"),
        (["cancel", "r-aaac", "--yes"], 3, "did you mean 'r-aaaa'?"),
        (["status", "--pipeline", "wordcuont"], 2, "did you mean 'wordcount'?"),
        (["--group", "labb", "status"], 2, "did you mean 'lab'?"),
        (["retry", RUN, "--yes"], 2, "is SUCCEEDED, `retry` does not apply"),
        (["submit", "--inputs", "inputs/none-*.txt", "--yes"], 3, "matches no object"),
        (["report", "/dev/full"], 1, "No space left on device: free some space"),
        (["report", "/nowhere/r.html"], 1, "/nowhere/r.html: No such file or directory"),
        (["export", RUN, "--ro-crate", "/dev/null/x"], 1, "/dev/null"),
    ],
)
def test_mistakes_are_explained(world: World, *, arguments: list[str], code: int, words: str):
    world.done({"counts.txt": b"2"}, identity=RUN)

    assert_told(world.call(*arguments), code, words, lines=2)


def test_a_mistyped_command_gets_a_suggestion(world: World):
    assert_told(world.call("stauts"), 2, "No such command 'stauts'. Did you mean 'status'?", lines=4)


@contextmanager
def cut_after(port: int, count: int, *, hangs: threading.Event | None = None) -> Iterator[int]:
    """Forward a port to another one for so many bytes, then cut every connection.

    With `hangs` connections hang instead, and the event is set.
    """
    left = [count]
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while (data := source.recv(65536)) and left[0] > 0:
                left[0] -= len(data)
                target.sendall(data)
        if hangs is not None and left[0] <= 0:
            hangs.set()
            over.wait()
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                there = socket.create_connection(("127.0.0.1", port))
                for pair in ((client, there), (there, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        over.set()
        server.close()


def test_a_network_failure_during_an_upload_is_explained(away: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    file = a_file(tmp_path, "large.bin", b"x" * 20_000_000)
    url = away.sandbox.environ()["AWS_ENDPOINT_URL"]
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with cut_after(int(url.rpartition(":")[2]), 9_000_000) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        result = away.call("--env", "sandbox", "drop", str(file))
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    again = away.call("--env", "sandbox", "drop", str(file))

    assert_told(result, 5, "repeat the command to continue", "check the network", lines=3)
    assert again.exit_code == 0, again.output
    assert away.s3.head_object(Bucket=INPUT, Key="lab/wordcount/large.bin")["ContentLength"] == 20_000_000


def test_a_network_failure_during_a_download_is_explained(away: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    away.done({"large.bin": b"x" * 20_000_000}, identity=RUN)
    url = away.sandbox.environ()["AWS_ENDPOINT_URL"]
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with cut_after(int(url.rpartition(":")[2]), 9_000_000) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        result = away.call("--env", "sandbox", "fetch", RUN, str(tmp_path / "here"))
    (left,) = (tmp_path / "here").iterdir()
    size_left = left.stat().st_size
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    again = away.call("--env", "sandbox", "fetch", RUN, str(tmp_path / "here"))

    assert_told(result, 5, "0 of 1 file were fetched; repeat the command to continue", "check the network", lines=3)
    assert 4_000_000 < size_left < 12_000_000
    assert again.exit_code == 0, again.output
    assert (tmp_path / "here" / "large.bin").read_bytes() == b"x" * 20_000_000


def test_a_broken_connection_is_opened_again(away: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    body = bytes(range(256)) * 20_000
    away.done({"large.bin": body}, identity=RUN)
    read = StreamingBody.read
    cuts: list[bytes] = []

    def cut(self: StreamingBody, amt: int | None = None) -> bytes:
        if amt is not None and len(cuts) < 3:
            cuts.append(read(self, 1_000_000))
            if len(cuts) % 2 == 0:
                raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
            return cuts[-1]
        return read(self, amt)

    monkeypatch.setattr(StreamingBody, "read", cut)

    result = away.call("--env", "sandbox", "fetch", RUN, str(tmp_path / "here"))

    assert result.exit_code == 0, result.output
    assert len(cuts) == 3
    assert (tmp_path / "here" / "large.bin").read_bytes() == body


@pytest.mark.parametrize("command", ["drop", "fetch"])
def test_an_interrupt_does_not_wait_for_hanging_calls(away: World, tmp_path: Path, command: str):
    size = 20_000_000
    file = a_file(tmp_path, "large.bin", b"x" * size)
    away.done({"large.bin": b"x" * size}, identity=RUN)
    arguments = {"drop": ["drop", str(file)], "fetch": ["fetch", RUN, str(tmp_path / "here")]}[command]
    url = away.sandbox.environ()["AWS_ENDPOINT_URL"]
    environ = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    hangs = threading.Event()
    with cut_after(int(url.rpartition(":")[2]), 9_000_000, hangs=hangs) as port:
        environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
        with subprocess.Popen(
            [sys.executable, "-m", "dropbatch.cli", "--env", "sandbox", *arguments],
            cwd=tmp_path, env=environ | {"DROPBATCH_SANDBOX_DIR": str(tmp_path)}, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert hangs.wait(120)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=50)  # a connection may hang for minutes

    assert process.returncode == 130
    assert "Traceback" not in told
    assert away.call("--env", "sandbox", *arguments).exit_code == 0


def test_a_closed_pipe_ends_the_command_silently(world: World):
    for number in range(50):
        world.item(State.SUCCEEDED, name=f"{number}.txt")
    program = f"{sys.executable} -m dropbatch.cli status --limit 50 | head -1"

    done = subprocess.run(
        ["sh", "-c", program], cwd=world.root, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stdout.startswith("run")
    assert "Traceback" not in done.stderr
