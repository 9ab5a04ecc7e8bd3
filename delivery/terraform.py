"""Terraform in the folder of a synthesized stack, ``cdktf.out/stacks/<environment>``."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError

__all__ = ["PLAN", "Stack", "valid_name"]

PLAN = "plan.tfplan"
"""File with a plan, in the folder of the stack."""

_STACK = "cdk.tf.json"
_CHANGES_FOUND = 2


def valid_name(name: str) -> str:
    """Check the name of an environment, which becomes part of a path, and return it.

    Raises:
        DeliveryError: it is none.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise DeliveryError(f"environment: lower-case letters, digits and dashes, got {name!r}: as in environments/")
    return name


class Stack:
    """A synthesized stack. Terraform reads credentials and its own settings from this process's environment."""

    def __init__(self, root: Path, environment: str) -> None:
        self.environment = valid_name(environment)
        self.folder = root / "cdktf.out" / "stacks" / environment
        if not (self.folder / _STACK).is_file():
            raise DeliveryError(f"cdktf.out/stacks/{environment} does not exist: run `make synth` first")

    @property
    def body(self) -> dict[str, Any]:
        """Return the synthesized Terraform configuration."""
        found: dict[str, Any] = json.loads((self.folder / _STACK).read_text(encoding="utf-8"))
        return found

    def init(self, *options: str) -> None:
        """Install the providers and connect to the state."""
        self._run("init", "-input=false", "-no-color", *options)

    def plan(self, *, destroy: bool = False, lock: bool = True) -> bool:
        """Write a plan to the file `PLAN`, and return whether it changes anything."""
        options = [f"-out={PLAN}", "-detailed-exitcode", *([] if lock else ["-lock=false"])]
        options += ["-destroy"] if destroy else []
        code = self._run("plan", "-input=false", "-no-color", *options, accept=(0, _CHANGES_FOUND))
        return code == _CHANGES_FOUND

    def plan_text(self) -> str:
        """Return the plan as text."""
        return self._ask("show", "-no-color", PLAN)

    def plan_json(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        found: dict[str, Any] = json.loads(self._ask("show", "-json", PLAN))
        return found

    def apply_plan(self) -> None:
        """Apply exactly the plan in the file `PLAN`. Terraform refuses it if the state has changed since."""
        self._run("apply", "-input=false", "-no-color", PLAN)

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs by name, without sensitive ones."""
        found = json.loads(self._ask("output", "-no-color", "-json"))
        return {name: each["value"] for name, each in found.items() if not each["sensitive"]}

    def _run(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> int:
        """Run Terraform, with its output in ours. If this process is interrupted, let Terraform exit cleanly.

        Terraform has a process group of its own, so that a Ctrl-C reaches it once, through us.
        """
        process: subprocess.Popen[bytes] | None = None
        too_early: list[int] = []  # signals that came while Terraform was being started

        def interrupt(number: int, _: object) -> None:
            if process is None:
                too_early.append(number)
            else:
                _interrupt(process)

        before = {each: signal.signal(each, interrupt) for each in _ENDING}
        try:
            process = subprocess.Popen(
                ["terraform", *arguments], cwd=self.folder, env=_environ(), stdin=subprocess.DEVNULL, process_group=0
            )
            if too_early:
                _interrupt(process)
            code = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if code not in accept:
            raise DeliveryError(
                f"terraform {arguments[0]} of {self.environment} ended with exit code {code}: see its output above"
            )
        return code

    def _ask(self, *arguments: str) -> str:
        answer = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=_environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise DeliveryError(f"terraform {arguments[0]} of {self.environment} failed: {answer.stderr.strip()}")
        return answer.stdout


_ENDING = (signal.SIGINT, signal.SIGTERM)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Send SIGINT: Terraform exits cleanly on the first, and immediately on the second."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)


def _environ() -> dict[str, str]:
    return {**os.environ, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
