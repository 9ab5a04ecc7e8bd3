"""Locks between processes."""

from pathlib import Path

import pytest

from dropbatch.sandbox.processes import exclusive


def test_a_wait_for_a_held_lock_is_reported_once_and_times_out(tmp_path: Path) -> None:
    told: list[bool] = []

    with (
        exclusive(tmp_path / "lock"),
        pytest.raises(TimeoutError, match="held for 0 s by another process"),
        exclusive(tmp_path / "lock", lambda: told.append(True), seconds=0.2),
    ):
        raise AssertionError("two hold it")

    assert told == [True]
    with exclusive(tmp_path / "lock", seconds=0):
        pass
