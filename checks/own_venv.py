"""Separate virtual environments for tools whose pinned dependencies conflict with ours."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["own_venv"]

_FOLDER = Path(__file__).resolve().parents[1] / ".dropbatch"


def own_venv(name: str, requirements: Path) -> Path:
    """Install the environment ``.dropbatch/<name>`` if its pins changed, and return its folder of programs."""
    folder = _FOLDER / name
    stamp = folder / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {name} (a minute, once)", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(requirements)], check=True)
        stamp.write_text(wanted)
    return folder / "bin"
