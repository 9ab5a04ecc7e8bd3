"""Progress of an upload: first of reading files, then of transferred bytes."""

import pytest

from dropbatch.cli.progress import Progress


class FakeReporter:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        raise AssertionError(text)

    data = say

    def now(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test moves."""
    now = [100.0]
    monkeypatch.setattr("dropbatch.cli.progress.time.monotonic", lambda: now[0])
    return now


def test_reading_is_reported_until_the_first_bytes_have_arrived(passing: list[float]):
    reporter = FakeReporter()
    progress = Progress(reporter, "uploading a", 4 * 2**20, live=True, before="reading a")

    progress.read(2**20)
    passing[0] += 10
    progress.read(2**20)
    progress.sent(2**20)  # the time that is left is that of the upload, not of the reading
    passing[0] += 3
    progress.read(2**20)
    progress.sent(2**20)

    assert reporter.lines == [
        "reading a: 1.0 MiB of 4.0 MiB",
        "reading a: 2.0 MiB of 4.0 MiB, 10 s left",
        "uploading a: 2.0 MiB of 4.0 MiB, 3.0 s left",
    ]


def test_progress_without_a_terminal_is_reported_less_often(passing: list[float]):
    reporter = FakeReporter()
    progress = Progress(reporter, "fetching a", 100, live=False)

    for _ in range(20):
        passing[0] += 1
        progress.sent(5)

    assert [line.partition(",")[0] for line in reporter.lines] == [
        f"fetching a: {count} B of 100 B" for count in (25, 50, 75, 100)
    ]
