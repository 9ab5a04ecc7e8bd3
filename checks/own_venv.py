"""Virtual environments of their own, for tools whose pins and ours do not go together."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["own_venv"]

_FOLDER = Path(__file__).resolve().parents[1] / ".dropbatch"


def own_venv(name: str, requirements: Path) -> Path:
    """Folder with the programs of an environment in ``.dropbatch/<name>``, installed when its pins changed."""
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
