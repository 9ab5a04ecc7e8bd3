"""Turn Terraform's ``-json`` output into short progress lines, at least one every two seconds."""

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["ProgressReporter", "readable"]

_DONE = {"create": "created", "update": "changed", "delete": "deleted", "read": "read", "replace": "replaced"}
_DOING = {"create": "creating", "update": "changing", "delete": "deleting", "read": "reading", "replace": "replacing"}
_SILENCE_SECONDS = 1.8
_ID_SUFFIX = re.compile(r"_[0-9A-F]{8}(?=\[|$)")  # suffix that cdktf adds to construct names
_NAMED_AT_ONCE = 2


class ProgressReporter:
    """Print Terraform's messages as lines; while there are none, print what Terraform is waiting for."""

    def __init__(self, progress: Callable[[str], None], doing: str) -> None:
        """`doing`, such as ``comparing``, is printed before Terraform starts on a resource."""
        self._progress = progress
        self._doing = doing
        self._lock = threading.Lock()
        self._under_way: dict[str, tuple[str, float]] = {}
        self._begun = self._last = time.monotonic()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="terraform-progress", daemon=True)
        self.errors: list[str] = []
        self.summary: dict[str, Any] = {}
        self.changing = False
        """Whether Terraform has begun to change anything."""
        self._warned: set[str] = set()

    def __enter__(self) -> "ProgressReporter":
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._ticker.join()

    def take(self, line: str) -> None:
        """Process one line of Terraform's output."""
        try:
            message = json.loads(line)
        except ValueError:
            if line.strip():
                self._say(line.rstrip())
            return
        kind = message.get("type")
        if kind == "diagnostic":
            self._diagnose(message["diagnostic"])
        elif kind in {"apply_start", "apply_complete", "apply_errored"}:
            self._follow(kind, message["hook"])
        elif kind == "provision_progress" and not message["hook"]["output"].startswith("Executing:"):
            self._say(f"  {message['hook']['output'].rstrip()}")
        elif kind == "change_summary":
            self.summary = message["changes"]

    def note_ending(self) -> None:
        """From now on, print that Terraform is ending."""
        with self._lock:
            self._under_way.clear()
            self._doing, self._begun = "interrupted, ending Terraform in good order", time.monotonic()
        self._say(self._doing)

    def _follow(self, kind: str, hook: dict[str, Any]) -> None:
        address, action = _ID_SUFFIX.sub("", hook["resource"]["addr"]), hook["action"]
        with self._lock:
            if kind == "apply_start":
                self.changing = True
                self._under_way[address] = (_DOING.get(action, action), time.monotonic())
                return
            self._under_way.pop(address, None)
        if kind == "apply_complete":
            seconds = hook.get("elapsed_seconds", 0)
            self._say(f"{_DONE.get(action, action)} {address}" + (f"  {seconds:.0f} s" if seconds else ""))
        else:
            self._say(f"failed: {address}")

    def _diagnose(self, diagnostic: dict[str, Any]) -> None:
        if diagnostic["severity"] == "error":
            self.errors.append(readable(diagnostic))
        elif diagnostic["summary"] not in self._warned:
            self._warned.add(diagnostic["summary"])
            self._say(f"warning: {diagnostic['summary']}")

    def _say(self, text: str) -> None:
        with self._lock:
            self._last = time.monotonic()
        self._progress(text)

    def _tick(self) -> None:
        while not self._ended.wait(0.2):
            now = time.monotonic()
            with self._lock:
                quiet = now - self._last >= _SILENCE_SECONDS
                under_way = sorted(self._under_way.items(), key=lambda each: each[1][1])
            if quiet:
                self._say(self._waiting(under_way, now))

    def _waiting(self, under_way: list[tuple[str, tuple[str, float]]], now: float) -> str:
        if not under_way:
            return f"{self._doing}: {now - self._begun:.0f} s"
        named = ", ".join(
            f"{doing} {address} {now - since:.0f} s" for address, (doing, since) in under_way[:_NAMED_AT_ONCE]
        )
        more = len(under_way) - _NAMED_AT_ONCE
        return f"still {named}" + (f" and {more} more" if more > 0 else "")


def readable(diagnostic: dict[str, Any]) -> str:
    """Return a diagnostic as text: summary, address, detail."""
    lines = [diagnostic["summary"]]
    where = diagnostic.get("address") or (diagnostic.get("snippet") or {}).get("context")
    if where:
        lines.append(f"  at {where}")
    lines += [f"  {line}" for line in (diagnostic.get("detail") or "").splitlines()]
    return "\n".join(lines)
