"""Set up a checkout: check the tools on PATH, then install the pinned requirements in `.venv` if they changed.

The Makefile runs this file with any Python 3. It uses only the standard library, and no syntax that an old Python could
not parse: an old Python must be able to report that it is too old.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys

PYTHON = (3, 11)
NODE = (20,)
TERRAFORM = (1, 11)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = "requirements.sha256"


def main(arguments):
    """Set up the checkout for a purpose (``demo``, ``test``, ``lint`` or ``synth``); return an exit code."""
    purpose = arguments[0] if arguments else "demo"
    faults = [_python_fault()] + (tool_faults() if purpose != "lint" else [])
    faults = [fault for fault in faults if fault]
    for fault in faults:
        sys.stderr.write("error: " + fault + "\n")
    if faults:
        return 1
    return _install("requirements.txt" if purpose in ("demo", "synth") else "requirements-dev.txt")


def tool_faults():
    """Return the faults of Node and Terraform on PATH, one line each."""
    faults = [
        _tool_fault("node", ["node", "--version"], NODE, "https://nodejs.org or your package manager"),
        _tool_fault(
            "terraform", ["terraform", "version"], TERRAFORM, "https://developer.hashicorp.com/terraform/install"
        ),
    ]
    return [fault for fault in faults if fault]


def _python_fault():
    if sys.version_info[:2] >= PYTHON:
        return None
    return "found Python %s, %s or newer is required: install it and name it, as in `make demo PYTHON=python3.12`" % (
        _dotted(sys.version_info[:3]),
        _dotted(PYTHON),
    )


def _tool_fault(name, command, needed, where):
    if shutil.which(name) is None:
        return "%s is not on PATH, %s or newer is required: get it from %s" % (name, _dotted(needed), where)
    answer = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False
    )
    version = re.search(r"v(\d+)\.(\d+)\.(\d+)", answer.stdout)
    if version is None:
        return "`%s` printed no version, %s or newer is required: get it from %s" % (
            " ".join(command),
            _dotted(needed),
            where,
        )
    found = tuple(int(part) for part in version.groups())
    if found < needed:
        return "found %s %s, %s or newer is required: get it from %s" % (name, _dotted(found), _dotted(needed), where)
    return None


def _dotted(version):
    return ".".join(str(part) for part in version)


def _install(requirements):
    """Install the pinned packages in the virtual environment; takes milliseconds if they are installed."""
    path = os.path.join(ROOT, requirements)
    wanted = digest(path)
    # The development requirements include the others, so their stamp is valid for both.
    stamps = {wanted, digest(os.path.join(ROOT, "requirements-dev.txt"))}
    stamp = os.path.join(VENV, STAMP)
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() in stamps:
                return 0
    count = sum(1 for line in open(path) if line.strip())
    print("setting up .venv: %d packages (about a minute the first time)" % count, flush=True)
    python = make_venv(VENV)
    code = _pip(python, ["-r", path])
    if code == 0:
        # The commands `dropbatch` and `dropbatch-run`, running from this checkout.
        code = _pip(python, ["--no-deps", "--editable", ROOT])
    if code == 0:
        with open(stamp, "w") as file:
            file.write(wanted)
    return code


def make_venv(directory):
    """Create a virtual environment unless it is complete (it has pip); return the path of its Python."""
    python, pip = (os.path.join(directory, "bin", name) for name in ("python", "pip"))
    if not (os.path.exists(python) and os.path.exists(pip)):
        command = [sys.executable, "-m", "venv", "--clear", directory]
        made = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False
        )
        if made.returncode != 0:
            sys.stderr.write(made.stdout)
            sys.stderr.write("error: the virtual environment could not be created: see above\n")
            sys.exit(1)
    return python


def _pip(python, what):
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"] + what
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if line.startswith(("Collecting", "Installing collected")):
            print("  " + line.split(" (from")[0].rstrip()[:100], flush=True)
    if process.wait() != 0:
        sys.stderr.write("".join(lines[-15:]))
        sys.stderr.write("error: pip could not install the packages: see above\n")
    return process.returncode


def digest(path, root=ROOT):
    """Return the digest of a requirements file, the Python version and the checkout, as stored in the stamp."""
    with open(path, "rb") as file:
        # The folder is included: the commands in .venv contain its path.
        return hashlib.sha256((sys.version + root).encode() + file.read()).hexdigest()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: repeat the command to continue\n")
        sys.exit(130)
