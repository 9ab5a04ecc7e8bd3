"""Deploy the demo: synthesize the stack, and apply it with Terraform if it changed."""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dropbatch import preflight
from dropbatch.cli.errors import CliError
from dropbatch.cli.text import Reporter
from dropbatch.sandbox.errors import TerraformError

if TYPE_CHECKING:
    from dropbatch.sandbox import Sandbox

__all__ = ["deploy", "destroy", "digest", "synthesize"]

ENVIRONMENT = "sandbox"
_TAIL_LINES = 25
_LOCK_SECONDS = 900.0
_IN_GOOD_ORDER = "interrupted"
_IN_THE_WAY = "the previous deploy was interrupted, and left resources that Terraform does not know"


def synthesize(root: Path, reporter: Reporter) -> Path:
    """Synthesize the Terraform of all environments; return the directory of the sandbox's stack.

    Raises:
        CliError: a tool is missing, or ``main.py`` failed, for example because of an invalid environment file.
    """
    reporter.now("synthesizing the stack")
    env = {**os.environ, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=root, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode != 0:
        if faults := preflight.tool_faults():  # type: ignore[no-untyped-call] # runs on old Pythons
            raise CliError("\n".join(faults))
        lines = (done.stderr or done.stdout).decode("utf-8", "replace").rstrip().splitlines()
        raise CliError("the stack could not be synthesized:\n" + "\n".join(lines[-_TAIL_LINES:]))
    return root / "cdktf.out" / "stacks" / ENVIRONMENT


def digest(directory: Path) -> str:
    """Return the SHA-256 of names and contents of all files that Terraform reads, assets included."""
    total = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        # Skip Terraform's own files, in case it was run there.
        if not path.is_file() or relative.parts[0].startswith((".terraform", "terraform.", "plan")):
            continue
        total.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _applied(sandbox: "Sandbox") -> Path:
    """Return the file with the digest of the last applied stack, stored beside the state; empty during an apply."""
    return sandbox.layout.terraform / f"{ENVIRONMENT}.applied"


def _applying(sandbox: "Sandbox") -> Path:
    """Return the file that exists while Terraform applies, and after an interrupted apply."""
    return sandbox.layout.terraform / f"{ENVIRONMENT}.applying"


@contextlib.contextmanager
def _alone(sandbox: "Sandbox", reporter: Reporter) -> Iterator[None]:
    """Hold a lock: two commands at once would write to the same folders.

    Raises:
        CliError: another command held the lock for 15 minutes.
    """
    from dropbatch.sandbox.processes import exclusive  # noqa: PLC0415

    message = "waiting: another command is deploying or destroying this sandbox"
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(
                exclusive(sandbox.layout.deploying, lambda: reporter.now(message), seconds=_LOCK_SECONDS)
            )
        except TimeoutError as error:
            raise CliError(f"another command is still running: {error}") from None
        yield


def deploy(root: Path, sandbox: "Sandbox", reporter: Reporter) -> bool:
    """Deploy the checkout to the sandbox; return whether anything was applied.

    After an interrupted deploy, resources may exist that are not in Terraform's state. If they make this deploy fail,
    and the interrupted one was the first, the sandbox is emptied: it holds no data yet.
    """
    with _alone(sandbox, reporter):
        wanted = digest(synthesize(root, reporter))
        applied = _applied(sandbox)
        if applied.is_file() and applied.read_text() == wanted:
            reporter.say("already deployed, nothing has changed")
            return False
        again, interrupted = applied.exists(), _applying(sandbox).exists()
        if interrupted and not again and _applying(sandbox).read_text() != _IN_GOOD_ORDER:
            reporter.say("the previous deploy was killed: starting again with an empty sandbox")
            sandbox.empty(reporter.now)
        if again:
            applied.write_text("")
            reporter.say("applying the changes with Terraform")
        else:
            reporter.say("deploying with Terraform; the first deploy takes a minute or two")
        try:
            _apply(root, sandbox, reporter)
        except TerraformError as error:
            if not interrupted:
                raise
            if again:
                raise CliError(f"{error}\n{_IN_THE_WAY}: run `make demo-down`, then `make demo`") from error
            reporter.say(f"{_IN_THE_WAY}: starting again with an empty sandbox")
            sandbox.empty(reporter.now)
            _apply(root, sandbox, reporter)
        applied.write_text(wanted)
        return True


def _apply(root: Path, sandbox: "Sandbox", reporter: Reporter) -> None:
    from dropbatch.sandbox.terraform import Terraform  # noqa: PLC0415

    applying = _applying(sandbox)
    terraform = Terraform(root, ENVIRONMENT, sandbox.environ())
    reporter.now("terraform init")
    terraform.init()
    applying.parent.mkdir(parents=True, exist_ok=True)
    applying.touch()
    try:
        terraform.apply(reporter.now)
    except TerraformError:
        applying.unlink()  # a failed apply leaves a complete state
        raise
    except BaseException:
        applying.write_text(_IN_GOOD_ORDER)
        raise
    applying.unlink()


def destroy(root: Path, sandbox: "Sandbox", reporter: Reporter) -> None:
    """Destroy all resources with Terraform."""
    from dropbatch.sandbox.terraform import Terraform  # noqa: PLC0415

    with _alone(sandbox, reporter):
        if not (root / "cdktf.out" / "stacks" / ENVIRONMENT).is_dir():
            synthesize(root, reporter)
        _applied(sandbox).unlink(missing_ok=True)
        terraform = Terraform(root, ENVIRONMENT, sandbox.environ())
        reporter.now("terraform init")
        terraform.init()
        terraform.destroy(reporter.now)
