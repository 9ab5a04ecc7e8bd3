"""Write mails that SNS would send to text files."""

import threading
from email.message import EmailMessage
from email.policy import EmailPolicy
from pathlib import Path

__all__ = ["MailBox"]

_NOTE = "recorded by the dropbatch sandbox; it was not sent"
_POLICY = EmailPolicy(utf8=True, max_line_length=998, linesep="\n")


class MailBox:
    """Directory of mails: ``0001.txt``, ``0002.txt``, …."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()

    def record(self, *, to: str, subject: str, body: str, topic_arn: str) -> Path:
        """Write one mail."""
        with self._lock:
            self._directory.mkdir(parents=True, exist_ok=True)
            numbers = [int(path.stem) for path in self._directory.glob("*.txt") if path.stem.isdigit()]
            path = self._directory / f"{max(numbers, default=0) + 1:04}.txt"
            unfinished = path.with_suffix(".part")
            unfinished.write_text(_text(to, subject, body, topic_arn))
            unfinished.rename(path)
        return path


def _text(to: str, subject: str, body: str, topic_arn: str) -> str:
    message = EmailMessage(policy=_POLICY)
    message["To"] = to
    message["Subject"] = " ".join(subject.split())
    message["X-Topic"] = topic_arn
    message["X-Note"] = _NOTE
    return f"{message.as_string(policy=_POLICY).rstrip()}\n\n{body}\n"
