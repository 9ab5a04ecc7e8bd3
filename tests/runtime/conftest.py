"""Run `dropbatch-run` as a real process with real S3 semantics, and only with the credentials of a job role."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from dropbatch.contract import keys
from dropbatch.contract.manifest import Manifest, RunSpec
from dropbatch.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
INPUT, OUTPUT, SHARED = "runtime-input", "runtime-output", "runtime-shared"
REGION = "eu-central-1"
_numbers = count(1)


def rights() -> list[dict[str, Any]]:
    """The policy statements that the stack gives the job role of pipeline wordcount and group lab."""

    def allow(actions: list[str], *resources: str) -> dict[str, Any]:
        return {"Effect": "Allow", "Action": actions, "Resource": [f"arn:aws:s3:::{each}" for each in resources]}

    def below(*prefixes: str) -> dict[str, Any]:
        return {"Condition": {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}}}

    own = "lab/wordcount/*"
    return [
        allow(
            ["s3:GetObject", "s3:GetObjectVersion"], f"{INPUT}/{own}", f"{INPUT}/lab/inputs/*", f"{INPUT}/lab/configs/*"
        ),
        allow(["s3:ListBucket", "s3:ListBucketVersions"], INPUT)
        | below("lab/wordcount/", "lab/inputs/", "lab/configs/"),
        allow(["s3:GetObject"], f"{OUTPUT}/_dropbatch/manifests/{own}"),
        allow(["s3:GetObject", "s3:PutObject"], f"{OUTPUT}/_dropbatch/started/{own}"),
        allow(["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], f"{OUTPUT}/{own}"),
        allow(["s3:ListBucket", "s3:ListBucketVersions"], OUTPUT) | below("lab/wordcount/"),
        allow(["s3:GetObject", "s3:GetObjectVersion"], f"{SHARED}/*"),
        allow(["s3:ListBucket", "s3:ListBucketVersions"], SHARED),
    ]


@dataclass
class Job:
    """A prepared run, whose input and manifest are uploaded."""

    cloud: "Cloud"
    spec: RunSpec
    env: dict[str, str]

    def popen(self, *command: str, **changes: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dropbatch.runtime", "--", *command],
            env=self.env | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *command: str, **changes: str) -> "Ended":
        process = self.popen(*command, **changes)
        out, err = process.communicate(timeout=60)
        return Ended(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def sh(self, script: str, **changes: str) -> "Ended":
        return self.run("sh", "-c", script, **changes)

    def get(self, name: str) -> bytes | None:
        """Return an object of the run's directory."""
        return self.cloud.get(OUTPUT, self.spec.output + name)

    def put(self, name: str, body: bytes) -> None:
        self.cloud.s3.put_object(Bucket=OUTPUT, Key=self.spec.output + name, Body=body)

    @property
    def record(self) -> dict[str, Any] | None:
        text = self.get("_run.json")
        return None if text is None else json.loads(text)

    @property
    def names(self) -> list[str]:
        """All names in the run's directory."""
        listed = self.cloud.s3.list_objects_v2(Bucket=OUTPUT, Prefix=self.spec.output).get("Contents", [])
        return [entry["Key"].removeprefix(self.spec.output) for entry in listed]


@dataclass
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Cloud:
    s3: Any
    iam: Any
    sts: Any
    environ: Mapping[str, str]
    scratch: Path
    clients: dict[str, str] = field(default_factory=dict)

    def credentials(self, statements: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Return temporary credentials of a new role with these rights."""
        name = f"role{next(_numbers)}"
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([trust]))["Role"]["Arn"]
        self.iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=_policy(statements))
        answer = self.sts.assume_role(RoleArn=arn, RoleSessionName="job")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
            "AWS_SESSION_TOKEN": answer["SessionToken"],
        }

    def job(self, body: bytes = b"some text\n", *, name: str = "notes.txt", **changes: Any) -> Job:
        """Prepare a plain job of one run; `changes` are applied to its manifest entry."""
        number = next(_numbers)
        key = f"lab/wordcount/{name}"
        version = self.s3.put_object(Bucket=INPUT, Key=key, Body=body)["VersionId"]
        run_id = f"r-{number:020x}"
        spec = RunSpec(
            run_id=run_id,
            attempt=1,
            group="lab",
            pipeline="wordcount",
            bucket=INPUT,
            key=key,
            version_id=version,
            size=len(body),
            output=keys.output_prefix("lab", "wordcount", name, run_id),
        )
        spec = spec._replace(**changes)
        return Job(self, spec, self._environment(f"job-{number}", [spec]))

    def folder(self, files: Mapping[str, bytes], *, name: str = "folder", **changes: Any) -> Job:
        """Prepare a plain job of one run whose input is a folder of these files."""
        prefix = f"lab/wordcount/{name}/"
        for below, body in files.items():
            self.s3.put_object(Bucket=INPUT, Key=prefix + below, Body=body)
        return self.job(b"", name="unused", key=prefix, version_id="", **changes)

    def again(self, job: Job, *, job_id: str, **changes: Any) -> Job:
        """Prepare another job for the same run, or for another attempt of it."""
        spec = job.spec._replace(**changes)
        return Job(self, spec, self._environment(job_id, [spec]))

    def _environment(self, job_id: str, specs: list[RunSpec]) -> dict[str, str]:
        key = keys.manifest_key("lab", "wordcount", f"name-{job_id}")
        self.s3.put_object(Bucket=OUTPUT, Key=key, Body=Manifest(job_name=job_id, runs=tuple(specs)).to_json().encode())
        kept = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE")
        if not self.clients:
            self.clients = self.credentials(rights())
        return {
            **{name: self.environ[name] for name in kept},
            **self.clients,
            "PATH": f"{ROOT / 'image' / 'wordcount'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.scratch),
            "DROPBATCH_ENVIRONMENT": "test",
            "DROPBATCH_OUTPUT_BUCKET": OUTPUT,
            "DROPBATCH_MANIFEST": keys.uri(OUTPUT, key),
            "AWS_BATCH_JOB_ID": job_id,
            "AWS_BATCH_JOB_ATTEMPT": "1",
        }

    def get(self, bucket: str, key: str) -> bytes | None:
        try:
            body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return body


def _policy(statements: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="session")
def _sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"), REGION)
    sandbox.up()
    try:
        yield sandbox.environ()
    finally:
        sandbox.down()


@pytest.fixture
def cloud(_sandbox: Mapping[str, str], tmp_path: Path) -> Cloud:
    """Two buckets with IAM checks; each test gets its own scratch directory."""
    session: Any = boto3.Session(_sandbox["AWS_ACCESS_KEY_ID"], _sandbox["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    s3, iam, sts = (session.client(name, endpoint_url=_sandbox["AWS_ENDPOINT_URL"]) for name in ("s3", "iam", "sts"))
    for bucket in (INPUT, OUTPUT, SHARED):
        try:
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        except s3.exceptions.BucketAlreadyOwnedByYou:
            continue
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Cloud(s3, iam, sts, _sandbox, scratch)
