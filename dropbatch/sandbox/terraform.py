"""Deploy a synthesized stack to the sandbox with the real Terraform."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropbatch.sandbox.errors import TerraformError
from dropbatch.sandbox.layout import Layout
from dropbatch.sandbox.processes import noted
from dropbatch.sandbox.provider_mirror import Provider, cli_configuration, find
from dropbatch.sandbox.terraform_output import ProgressReporter, readable

__all__ = ["Applied", "Change", "Plan", "Terraform"]

Progress = Callable[[str], None]

_OLDEST = (1, 11)
_STACK = "cdk.tf.json"
_LOCK = ".terraform.lock.hcl"
_CHANGES_FOUND = 2
_SAVE_SECONDS = 15.0
_NOTHING_DONE_SECONDS = 1.5  # Terraform ignores signals while its providers start
_CONFIGURATION_VARIABLE = "TF_CLI_CONFIG_FILE"


def _quiet(_: str) -> None:
    pass


@dataclass(frozen=True)
class Change:
    """A planned change of one resource."""

    address: str
    actions: tuple[str, ...]
    """``create``, ``update``, ``delete``, or two of them for a replacement."""
    attributes: tuple[str, ...]
    """Top-level attributes that differ, of an update."""


@dataclass(frozen=True)
class Plan:
    """Summary of a plan."""

    changed: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Applied:
    """Summary of an apply."""

    added: int
    changed: int
    removed: int


class Terraform:
    """Terraform for one environment's stack in ``cdktf.out/stacks/<environment>``, kept in the sandbox's directory.

    It uses a copy with the local backend, path-style S3 and any account. `environ` is the result of `Sandbox.environ`.
    """

    def __init__(self, project_root: Path, environment: str, environ: Mapping[str, str]) -> None:
        self._root = project_root.resolve()
        layout = Layout(Path(environ["DROPBATCH_SANDBOX_DIR"]))
        self._source = self._root / "cdktf.out" / "stacks" / environment
        # As deep below the project root as the original, so that relative paths in the stack stay valid.
        self._stack = layout.directory / f"stack-{environment}"
        self._kept = layout.terraform / environment
        self._groups = layout.groups
        self._environment = environment
        self._environ = dict(environ)
        self._program: str | None = None
        self._prepared = False

    @property
    def state_file(self) -> Path:
        """Path of Terraform's local state."""
        return self._kept / "terraform.tfstate"

    def init(self, progress: Progress = _quiet) -> None:
        """Copy the stack and install its providers, unless the same providers are installed."""
        program, version = self._find_program()
        providers = self._copy_stack()
        environ = self._terraform_environ(providers)
        configuration = environ.get(_CONFIGURATION_VARIABLE)
        text = Path(configuration).read_text() if configuration else ""
        wanted = json.dumps([version, text, [[each.source, each.version] for each in providers]])
        fingerprint = hashlib.sha256(wanted.encode()).hexdigest()
        done = self._kept / "initialized"
        current = done.exists() and done.read_text() == fingerprint
        if not (current and (self._kept / "data" / "providers").is_dir() and (self._stack / _LOCK).exists()):
            done.unlink(missing_ok=True)
            progress("preparing Terraform" + (" with the providers on this machine" if text else ""))
            with ProgressReporter(progress, "installing providers") as reporter:
                self._run([program, "init", "-input=false", "-no-color", "-json", "-reconfigure"], environ, reporter)
            done.write_text(fingerprint)
        self._prepared = True

    def validate(self) -> None:
        """Check the configuration; raise `TerraformError` if it is invalid."""
        answer = self._ask(["validate", "-no-color", "-json"], accept={0, 1})
        result = json.loads(answer)
        if not result["valid"]:
            errors = [readable(each) for each in result["diagnostics"] if each["severity"] == "error"]
            raise TerraformError("the stack is not valid\n" + "\n".join(errors))

    def plan(self, progress: Progress = _quiet) -> Plan:
        """Return the changes that an apply would make."""
        file = self._kept / "plan"
        code = self._stream(
            ["plan", "-input=false", "-no-color", "-json", "-detailed-exitcode", f"-out={file}"],
            progress,
            "comparing",
            accept={0, _CHANGES_FOUND},
        )
        try:
            shown = json.loads(self._ask(["show", "-json", str(file)])) if code == _CHANGES_FOUND else {}
        finally:
            file.unlink(missing_ok=True)
        changes = [_change(each) for each in shown.get("resource_changes", [])]
        return Plan(
            code == _CHANGES_FOUND, tuple(each for each in changes if each.actions not in {("no-op",), ("read",)})
        )

    def plan_json(self, file: Path) -> str:
        """Write a plan to a file, without a lock, and return it as Terraform's JSON."""
        self.init()
        self._ask(["plan", "-input=false", "-no-color", "-lock=false", f"-out={file}"])
        return self._ask(["show", "-json", str(file)])

    def apply(self, progress: Progress = _quiet) -> Applied:
        """Apply the stack to the sandbox."""
        return self._change(["apply", "-auto-approve"], progress, "comparing")

    def destroy(self, progress: Progress = _quiet) -> Applied:
        """Delete the stack's resources."""
        return self._change(["destroy", "-auto-approve"], progress, "comparing")

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs by name."""
        found = json.loads(self._ask(["output", "-no-color", "-json"]))
        return {name: each["value"] for name, each in found.items()}

    # --- preparation -----------------------------------------------------------------------------------------------

    def _find_program(self) -> tuple[str, str]:
        needed = ".".join(map(str, _OLDEST))
        where = "get it from https://developer.hashicorp.com/terraform/install"
        program = shutil.which("terraform")
        if program is None:
            raise TerraformError(f"terraform is not on PATH, {needed} or newer is required: {where}")
        environ = {**os.environ, "CHECKPOINT_DISABLE": "1"}
        environ.pop(_CONFIGURATION_VARIABLE, None)
        answer = subprocess.run([program, "version", "-json"], env=environ, capture_output=True, text=True, check=False)
        try:
            version = str(json.loads(answer.stdout)["terraform_version"])
        except (ValueError, KeyError):
            raise TerraformError(f"`{program} version` failed: {answer.stderr.strip()}") from None
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        if numbers < _OLDEST:
            raise TerraformError(f"found Terraform {version}, {needed} or newer is required: {where}")
        self._program = program
        return program, version

    def _copy_stack(self) -> list[Provider]:
        """Update the copy and return its required providers."""
        if not (self._source / _STACK).exists():
            raise TerraformError(
                f"{self._source.relative_to(self._root)} does not exist: run `python main.py` first (make does)"
            )
        self._kept.mkdir(parents=True, exist_ok=True)
        if self._stack.exists():
            for path in self._stack.iterdir():
                if path.name != _LOCK:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self._source, self._stack, dirs_exist_ok=True)
        stack = json.loads((self._stack / _STACK).read_text())
        stack["terraform"]["backend"] = {"local": {"path": str(self.state_file)}}
        for settings in stack.get("provider", {}).get("aws", []):
            settings.pop("allowed_account_ids", None)
            settings["s3_use_path_style"] = True
        (self._stack / _STACK).write_text(json.dumps(stack, indent=1))
        required = stack["terraform"].get("required_providers", {})
        return [Provider.of(each["source"], each.get("version", "")) for each in required.values()]

    def _terraform_environ(self, providers: list[Provider]) -> dict[str, str]:
        """Return this process's environment with the sandbox's AWS settings in place of the user's."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_CLI_ARGS"))}
        environ.pop("TF_WORKSPACE", None)
        direct = "127.0.0.1,localhost"
        environ |= self._environ | {
            "TF_DATA_DIR": str(self._kept / "data"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "DROPBATCH_PROJECT_ROOT": str(self._root),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)]),
            "NO_PROXY": ",".join(filter(None, [environ.get("NO_PROXY"), direct])),
            "no_proxy": ",".join(filter(None, [environ.get("no_proxy"), direct])),
        }
        named = environ.get(_CONFIGURATION_VARIABLE)
        if named and Path(named).is_file():
            return environ
        environ.pop(_CONFIGURATION_VARIABLE, None)
        mirror = find(providers, os.environ)
        if mirror is not None:
            file = self._kept / "cli.tfrc"
            file.write_text(cli_configuration(mirror, providers))
            environ[_CONFIGURATION_VARIABLE] = str(file)
        return environ

    # --- running ---------------------------------------------------------------------------------------------------

    def _change(self, arguments: list[str], progress: Progress, doing: str) -> Applied:
        narrated: dict[str, Any] = {}
        self._stream([*arguments, "-input=false", "-no-color", "-json"], progress, doing, summary=narrated)
        return Applied(narrated.get("add", 0), narrated.get("change", 0), narrated.get("remove", 0))

    def _stream(
        self,
        arguments: list[str],
        progress: Progress,
        doing: str,
        *,
        accept: set[int] | None = None,
        summary: dict[str, Any] | None = None,
    ) -> int:
        self._ensure_prepared(progress)
        environ = self._terraform_environ(self._providers())
        with ProgressReporter(progress, doing) as reporter:
            code = self._run([str(self._program), *arguments], environ, reporter, accept or {0})
        if summary is not None:
            summary.update(reporter.summary)
        return code

    def _ask(self, arguments: list[str], accept: set[int] | None = None) -> str:
        """Return the output of a short command."""
        self._ensure_prepared(_quiet)
        answer = subprocess.run(
            [str(self._program), *arguments],
            cwd=self._stack,
            env=self._terraform_environ(self._providers()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode not in (accept or {0}):
            raise TerraformError(f"terraform {arguments[0]} failed\n{answer.stderr.strip()}")
        return answer.stdout

    def _ensure_prepared(self, progress: Progress) -> None:
        if not self._prepared:
            self.init(progress)

    def _providers(self) -> list[Provider]:
        stack = json.loads((self._stack / _STACK).read_text())
        required = stack["terraform"].get("required_providers", {})
        return [Provider.of(each["source"], each.get("version", "")) for each in required.values()]

    def _run(
        self, command: list[str], environ: dict[str, str], reporter: ProgressReporter, accept: set[int] | None = None
    ) -> int:
        """Run Terraform in a process group of its own, so that its providers can be ended with it."""
        process = subprocess.Popen(
            command,
            cwd=self._stack,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        assert process.stdout is not None  # noqa: S101
        with noted(self._groups, process.pid):
            try:
                for line in process.stdout:
                    reporter.take(line)
                code = process.wait()
            except BaseException:
                try:
                    reporter.note_ending()
                finally:  # even if progress can no longer be printed
                    _end(process, _SAVE_SECONDS if reporter.changing else _NOTHING_DONE_SECONDS)
                raise
        if code not in (accept or {0}):
            errors = reporter.errors or ["it gave no reason"]
            raise TerraformError(f"terraform {command[1]} failed\n" + "\n".join(errors))
        return code


def _end(process: subprocess.Popen[str], seconds: float) -> None:
    """Interrupt Terraform, which then saves its state; kill it and its providers after a timeout."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
        if not _ended_within(process, seconds):
            process.send_signal(signal.SIGINT)  # Terraform saves its state and exits
            _ended_within(process, seconds / 3)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ended_within(process: subprocess.Popen[str], seconds: float) -> bool:
    """Return whether it ended in time. Another Ctrl-C does not shorten the wait: the state would be lost."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.communicate(timeout=left)
            return True
    return False


def _change(resource: dict[str, Any]) -> Change:
    change = resource["change"]
    before, after = change.get("before") or {}, change.get("after") or {}
    names = sorted({*before, *after, *(change.get("after_unknown") or {})})
    differing = [name for name in names if before.get(name) != after.get(name)]
    update = change["actions"] == ["update"]
    return Change(resource["address"], tuple(change["actions"]), tuple(differing) if update else ())
