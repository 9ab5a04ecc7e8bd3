"""Container properties of a job as options of docker or podman."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["container_options"]


def container_options(
    container: dict[str, Any], memory_mib: int, vcpus: float, *, host: Path, init: Sequence[str]
) -> list[str]:
    """Return the options of ``create``. A volume's path on the instance maps to a directory below `host`.

    `init` holds the engine's options for an init process that forwards signals and reaps children.
    """
    linux = container.get("linuxParameters") or {}
    options = [f"--memory={memory_mib}m", f"--memory-swap={memory_mib}m", f"--cpu-shares={int(vcpus * 1024)}"]
    if container.get("readonlyRootFilesystem"):
        options.append("--read-only")
    if container.get("user"):
        options.append(f"--user={container['user']}")
    if linux.get("initProcessEnabled"):
        options += init
    if linux.get("sharedMemorySize"):
        options.append(f"--shm-size={linux['sharedMemorySize']}m")
    for each in linux.get("tmpfs") or []:
        features = [f"size={each['size']}m", *(each.get("mountOptions") or [])]
        options.append(f"--tmpfs={each['containerPath']}:{','.join(features)}")
    options += [
        f"--ulimit={each['name']}={each['softLimit']}:{each['hardLimit']}" for each in container.get("ulimits") or []
    ]
    return options + _mounts(container, host)


def _mounts(container: dict[str, Any], host: Path) -> list[str]:
    volumes = {each["name"]: each for each in container.get("volumes") or []}
    options = []
    for point in container.get("mountPoints") or []:
        volume = volumes.get(point.get("sourceVolume"), {})
        mode = "ro" if point.get("readOnly") else "rw"
        if (volume.get("host") or {}).get("sourcePath"):
            directory = host / str(volume["name"])
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o1777)
            options.append(f"--volume={directory}:{point['containerPath']}:{mode}")
        else:
            options.append(f"--volume={point['containerPath']}")
    return options
