"""The demo's deployment: synthesize, and apply with Terraform only what is not applied already."""

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
_PATIENCE_SECONDS = 900.0
_IN_GOOD_ORDER = "interrupted"
_IN_THE_WAY = "the deploy before was interrupted, and left what Terraform does not know of"


def synthesize(root: Path, voice: Reporter) -> Path:
    """Write the Terraform of all environments; returns the sandbox stack's directory.

    Raises:
        CliError: with the tool that is missing, or what ``main.py`` said, such as the faults in an environment file.
    """
    voice.now("synthesizing the stack")
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
    """SHA-256 over names and contents of all files that Terraform would read, assets included."""
    total = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        # Terraform's own files, should somebody have run it there.
        if not path.is_file() or relative.parts[0].startswith((".terraform", "terraform.", "plan")):
            continue
        total.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _applied(sandbox: "Sandbox") -> Path:
    """Digest of the stack as it was last applied, empty while it is changed; lost together with Terraform's state."""
    return sandbox.layout.terraform / f"{ENVIRONMENT}.applied"


def _applying(sandbox: "Sandbox") -> Path:
    """There while Terraform applies, and after an end in the middle of it."""
    return sandbox.layout.terraform / f"{ENVIRONMENT}.applying"


@contextlib.contextmanager
def _alone(sandbox: "Sandbox", voice: Reporter) -> Iterator[None]:
    """Two commands at once would write to the same folders: the second waits.

    Raises:
        CliError: for too long.
    """
    from dropbatch.sandbox.processes import exclusive  # noqa: PLC0415

    told = "waiting: another command deploys to this sandbox, or destroys"
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(exclusive(sandbox.layout.deploying, lambda: voice.now(told), seconds=_PATIENCE_SECONDS))
        except TimeoutError as error:
            raise CliError(f"another command does not come to its end: {error}") from None
        yield


def deploy(root: Path, sandbox: "Sandbox", voice: Reporter) -> bool:
    """Bring the sandbox to what the checkout says; returns whether anything had to be applied.

    What was under way when a deploy was interrupted may be there without Terraform's knowing, and of one that was
    killed it may know nothing. If that was the first deploy, and is in the way of this one, the sandbox is emptied:
    it holds nothing yet that somebody would miss.
    """
    with _alone(sandbox, voice):
        wanted = digest(synthesize(root, voice))
        applied = _applied(sandbox)
        if applied.is_file() and applied.read_text() == wanted:
            voice.say("deployed already, nothing has changed")
            return False
        again, interrupted = applied.exists(), _applying(sandbox).exists()
        if interrupted and not again and _applying(sandbox).read_text() != _IN_GOOD_ORDER:
            voice.say("the deploy before was killed in the middle of it: beginning afresh")
            sandbox.empty(voice.now)
        if again:
            applied.write_text("")
            voice.say("something has changed: applying it")
        else:
            voice.say("deploying with Terraform; the first time takes a minute or two")
        try:
            _apply(root, sandbox, voice)
        except TerraformError as error:
            if not interrupted:
                raise
            if again:
                raise CliError(f"{error}\n{_IN_THE_WAY}: `make demo-down` and `make demo` begin afresh") from error
            voice.say(f"{_IN_THE_WAY}: beginning afresh")
            sandbox.empty(voice.now)
            _apply(root, sandbox, voice)
        applied.write_text(wanted)
        return True


def _apply(root: Path, sandbox: "Sandbox", voice: Reporter) -> None:
    from dropbatch.sandbox.terraform import Terraform  # noqa: PLC0415

    applying = _applying(sandbox)
    terraform = Terraform(root, ENVIRONMENT, sandbox.environ())
    voice.now("terraform init")
    terraform.init()
    applying.parent.mkdir(parents=True, exist_ok=True)
    applying.touch()
    try:
        terraform.apply(voice.now)
    except TerraformError:
        applying.unlink()  # its state is whole
        raise
    except BaseException:
        applying.write_text(_IN_GOOD_ORDER)
        raise
    applying.unlink()


def destroy(root: Path, sandbox: "Sandbox", voice: Reporter) -> None:
    """Destroy what Terraform made."""
    from dropbatch.sandbox.terraform import Terraform  # noqa: PLC0415

    with _alone(sandbox, voice):
        if not (root / "cdktf.out" / "stacks" / ENVIRONMENT).is_dir():
            synthesize(root, voice)
        _applied(sandbox).unlink(missing_ok=True)
        terraform = Terraform(root, ENVIRONMENT, sandbox.environ())
        voice.now("terraform init")
        terraform.init()
        terraform.destroy(voice.now)
