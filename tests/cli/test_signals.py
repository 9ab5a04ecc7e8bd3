"""Commands ended from outside: by Ctrl-C, `kill`, or a closed terminal."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropbatch.sandbox import Sandbox
from dropbatch.sandbox.processes import exclusive

ROOT = Path(__file__).parents[2]
AS_FROM_A_SHELL = """
import signal
for number in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may have them ignored, as `nohup` does
signal.signal(signal.SIGINT, signal.default_int_handler)
from dropbatch.cli.main import main
main()
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that waits for another one."""
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "sandbox.toml").touch()
    with exclusive(Sandbox.at(tmp_path).layout.lock):
        command = subprocess.Popen(
            [sys.executable, "-c", AS_FROM_A_SHELL, "sandbox", "up"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        with command:
            assert command.stderr is not None
            assert command.stderr.readline().strip().startswith("waiting")
            yield command
            command.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_in_good_order(waiting: subprocess.Popen[str], number: signal.Signals) -> None:
    waiting.send_signal(number)

    assert waiting.wait(timeout=30) == 130
