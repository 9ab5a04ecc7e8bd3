"""Run one transfer of `bench/staging.py` in a separate process: ``ENGINE in|out BUCKET PREFIX PLACE``.

Prints seconds, without Python's start, and the peak of memory in MiB.
"""

import hashlib
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dropbatch.runtime import inputs, objects, transfer
from dropbatch.runtime.client import make_client


def main(engine: str, direction: str, bucket: str, prefix: str, place: str) -> None:
    """Move everything once."""
    client = make_client(os.environ)
    began = time.perf_counter()
    if direction == "in":
        plan = inputs.plan_folder(Path(place), prefix, list(objects.list_below(client, bucket, prefix)))
        DOWN[engine](client, plan.downloads)
    else:
        files = sorted(path for path in Path(place).rglob("*") if path.is_file())
        UP[engine](client, [transfer.Upload(path, bucket, prefix + path.name) for path in files])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.perf_counter() - began:.3f} {peak:.0f}")


def ours_in(client: Any, wanted: Sequence[transfer.Download]) -> None:
    """As a job does."""
    transfer.download(client, wanted, "the benchmark")


def ours_out(client: Any, wanted: Sequence[transfer.Upload]) -> None:
    """As a job does."""
    transfer.upload(client, wanted, "the benchmark")


def manager_in(client: Any, wanted: Sequence[transfer.Download]) -> None:
    """Everything through boto3's one transfer manager."""
    from boto3.s3.transfer import TransferConfig, create_transfer_manager  # noqa: PLC0415

    with create_transfer_manager(client, TransferConfig(preferred_transfer_client="classic")) as manager:
        sinks: list[Any] = [Hashed(each.path) for each in wanted]
        for each, sink in zip(wanted, sinks, strict=True):
            manager.download(each.source.bucket, each.source.key, sink)
    for sink in sinks:
        sink.file.close()


def crt() -> Any:
    """The transfer manager over the AWS Common Runtime."""
    import botocore.session  # noqa: PLC0415
    from s3transfer import crt  # noqa: PLC0415

    session = botocore.session.get_session()
    credentials = crt.BotocoreCRTCredentialsWrapper(session.get_credentials()).to_crt_credentials_provider()
    endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
    client = crt.create_s3_crt_client(region, credentials, use_ssl=endpoint.startswith("https"))
    words = {"region_name": region, "endpoint_url": endpoint}
    return crt.CRTTransferManager(client, crt.BotocoreCRTRequestSerializer(session, words))


def crt_in(_: Any, wanted: Sequence[transfer.Download]) -> None:
    """Everything by the AWS Common Runtime."""
    with crt() as manager:
        pairs = [(each, Hashed(each.path)) for each in wanted]
        futures = [manager.download(each.source.bucket, each.source.key, sink, {}) for each, sink in pairs]
        for future in futures:
            future.result()
    for _each, sink in pairs:
        sink.file.close()


def crt_out(_: Any, wanted: Sequence[transfer.Upload]) -> None:
    """Everything by the AWS Common Runtime."""
    with crt() as manager:
        futures = [manager.upload(str(each.path), each.bucket, each.key, {}) for each in wanted]
        for each in wanted:
            digest(each.path)
        for future in futures:
            future.result()


def s5cmd_in(_: Any, wanted: Sequence[transfer.Download]) -> None:
    """Download a list of objects with s5cmd: a pattern cannot name versions, and would use keys as paths unchecked."""
    pairs = ((f"s3://{each.source.bucket}/{each.source.key}", str(each.path)) for each in wanted)
    s5cmd(pairs)
    for each in wanted:
        digest(each.path)


def s5cmd_out(_: Any, wanted: Sequence[transfer.Upload]) -> None:
    """Upload a list of files with s5cmd."""
    s5cmd((str(each.path), f"s3://{each.bucket}/{each.key}") for each in wanted)
    for each in wanted:
        digest(each.path)


def s5cmd(pairs: Any) -> None:
    """Copies, all in one process."""
    lines = "".join(f"cp --raw {shlex.quote(source)} {shlex.quote(target)}\n" for source, target in pairs)
    program = Path(sys.executable).with_name("s5cmd")
    subprocess.run([program, "--log=error", "run"], input=lines.encode(), check=True)


def digest(path: Path) -> str:
    """Return the SHA-256 that the run record contains for every file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Hashed:
    """A file that is hashed as it is written."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Append a piece."""
        self._hash.update(data)
        return self.file.write(data)


DOWN = {"dropbatch": ours_in, "boto3 manager": manager_in, "awscrt": crt_in, "s5cmd, by version": s5cmd_in}
UP = {"dropbatch": ours_out, "boto3 manager": ours_out, "awscrt": crt_out, "s5cmd, by version": s5cmd_out}

if __name__ == "__main__":
    main(*sys.argv[1:6])
