"""Facts of EC2's instance types: what a machine has, and whether it is one of the types that AWS Batch can buy.

The table lies beside this file, a family on each line: name, architecture, then `size:vcpus:mib[:gpus]` for each size.
GPUs are NVIDIA's, whole ones; bare metal, Macs and machines with other accelerator cards are left out. It was made from
the data in PyPI's `moto` 5.2.5 (`moto/ec2/resources/instance_types.json.gz`, which is EC2's own DescribeInstanceTypes):
of each type `ProcessorInfo.SupportedArchitectures` (arm64, else amd64), `VCpuInfo.DefaultVCpus`,
`MemoryInfo.SizeInMiB` and the sum of `GpuInfo.Gpus[].Count`. A family newer than that is a line to be added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dropbatch.contract.suggestions import nearest

__all__ = ["Instance", "expand", "known", "near"]


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One instance type."""

    name: str
    architecture: str
    """``amd64`` or ``arm64``."""
    vcpus: int
    memory_mib: int
    gpus: int

    @property
    def usable_mib(self) -> int:
        """What jobs may ask for: a machine registers less than it has, and AWS advises a buffer."""
        return self.memory_mib * 92 // 100


def expand(types: Sequence[str]) -> tuple[list[Instance], list[str]]:
    """Instances meant by families (``m6i``) and exact types (``m6i.large``), and the names nothing is known of."""
    table = _table()
    found: list[Instance] = []
    unknown: list[str] = []
    for name in types:
        family, _, size = name.partition(".")
        meant = [each for each in table.get(family, ()) if not size or each.name == name]
        found += meant
        if not meant:
            unknown.append(name)
    return found, unknown


def known() -> list[Instance]:
    """All instances there are, by name."""
    return sorted((each for family in _table().values() for each in family), key=lambda each: each.name)


def near(name: str) -> str | None:
    """The known family or type most like a name."""
    table = _table()
    known = [each.name for family in table.values() for each in family] if "." in name else list(table)
    return nearest(name, known)


@cache
def _table() -> dict[str, tuple[Instance, ...]]:
    text = (files(__package__) / "instances.txt").read_text(encoding="ascii")
    return dict(_family(line) for line in text.splitlines())


def _family(line: str) -> tuple[str, tuple[Instance, ...]]:
    family, architecture, *sizes = line.split()
    return family, tuple(_instance(family, architecture, size) for size in sizes)


def _instance(family: str, architecture: str, text: str) -> Instance:
    size, *numbers = text.split(":")
    vcpus, memory_mib, gpus = (*map(int, numbers), 0)[:3]
    return Instance(name=f"{family}.{size}", architecture=architecture, vcpus=vcpus, memory_mib=memory_mib, gpus=gpus)
