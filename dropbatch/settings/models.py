"""Tables and keys of an environment file."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dropbatch.contract import keys
from dropbatch.contract.deployment import DEFAULT_PRIORITY, Deployment, Pipeline, Pool, resource_name
from dropbatch.settings import instances
from dropbatch.settings.compute import PoolSettings
from dropbatch.settings.container import Container, RetryRule
from dropbatch.settings.group import GroupSettings
from dropbatch.settings.names import Email, EnvironmentName, GroupName, KeyArn, PipelineName, PoolName
from dropbatch.settings.table import Table

__all__ = [
    "DEFAULT_GROUP",
    "RESERVED_FOLDERS",
    "ArrivalSettings",
    "BudgetSettings",
    "EnvironmentSettings",
    "GroupName",
    "GroupSettings",
    "NetworkSettings",
    "NotifySettings",
    "ObservabilitySettings",
    "PipelineName",
    "PipelineSettings",
    "PoolName",
    "PoolSettings",
    "RetryRule",
    "Settings",
    "StateSettings",
    "StorageSettings",
    "Table",
]

DEFAULT_GROUP = "lab"
RESERVED_FOLDERS = (keys.INPUTS, keys.CONFIGS, keys.SUBMISSIONS)

PolicyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=,.@-][A-Za-z0-9_+=,.@/-]*$", max_length=512)]
WebOrigin = Annotated[str, StringConstraints(pattern=r"^https://[a-z0-9.-]+(:\d+)?$|^http://localhost(:\d+)?$")]
RetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]


class EnvironmentSettings(Table):
    """``[environment]``: what and where."""

    name: EnvironmentName
    """The file's name; part of every resource's name."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    """AWS region."""
    account_id: Annotated[str, StringConstraints(pattern=r"^\d{12}$")] | None = None
    """The only account this environment may be deployed to."""
    permissions_boundary: PolicyName | None = None
    """Name, with its path, of a managed policy that every role bears as its permissions boundary. Where a role of
    `bootstrap` deploys, its output ``boundary_<environment>``; other organisations have boundaries of their own."""
    disposable: bool = False
    """Whether `destroy` may delete data: buckets with objects in them, the ledger, images."""
    reconcile_minutes: Annotated[int, Field(ge=1, le=60)] = 5
    """Minutes between two rounds of reconcile, which resumes runs without progress."""
    lease_seconds: Annotated[int, Field(ge=15, le=900)] = 180
    """Seconds without progress after which a run is reconciled. Functions time out after two thirds of it."""
    visibility_seconds: Annotated[int, Field(ge=10, le=43_200)] | None = None
    """Seconds after which the messages of a function that died come again; left out: six times what a function may
    take, as AWS advises."""

    @property
    def function_seconds(self) -> int:
        """What a function that reads a queue may take."""
        return min(120, self.lease_seconds * 2 // 3)


class StateSettings(Table):
    """``[state]``: where Terraform keeps its state."""

    backend: Literal["local", "s3"] = "local"
    """On the disk of whoever deploys, or in a bucket, with a lock file there."""
    bucket: str | None = None
    """Name of the state bucket; needed by the backend "s3"."""


class NotifySettings(Table):
    """``[notify]``: who is told. Also the Terraform variable ``notification_email``."""

    email: Email | None = None
    """Where mails go; AWS asks for a confirmation first. Default: nowhere."""
    runs: Literal["all", "others", "none"] = "others"
    """Mails about runs that go there too: all, those of groups without contacts, or none. Alarms, warnings and pauses
    always do."""
    window_minutes: Annotated[int, Field(ge=1, le=1440)] = 10
    """Drops of so many minutes share one mail; a request has a mail of its own."""


class BudgetSettings(Table):
    """``[budget]``: the brake on spending. The limit is also the Terraform variable ``budget_limit``."""

    monthly_usd: Annotated[int, Field(ge=1, le=10_000_000)]
    """Monthly limit."""
    warn_at_percent: tuple[Annotated[int, Field(ge=1, le=500)], ...] = Field(default=(50, 80), strict=False)
    """Shares of the limit at which a warning is mailed."""
    warn_forecast_percent: tuple[Annotated[int, Field(ge=1, le=500)], ...] = Field(default=(100,), strict=False)
    """Shares of the limit: a warning is mailed when AWS forecasts that the month will reach one."""
    action: Literal["pause", "stop", "none"] = "pause"
    """What happens at 100 %: nothing new starts; running jobs are ended too, to start anew later; or nothing."""
    auto_resume: bool = False
    """Whether a pause by the budget ends by itself when the next month begins."""


class NetworkSettings(Table):
    """``[network]``: the VPC of the machines."""

    kind: Literal["public", "private", "existing"] = "public"
    """Public subnets without NAT, which cost nothing; private ones behind NAT; or subnets that are there already."""
    cidr: Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,3}){3}/(1[6-9]|2[0-4])$")] = "10.20.0.0/16"
    """Addresses of a network of ours."""
    nat: Literal["one", "per_zone"] = "one"
    """Of a private network: one NAT gateway (about $33 a month), or one in each of two zones."""
    egress: Literal["https", "all"] = "https"
    """What machines may reach: only port 443, or everything. Nothing reaches them."""
    vpc_id: Annotated[str, StringConstraints(pattern=r"^vpc-[0-9a-f]{8,17}$")] | None = None
    """The existing network."""
    subnet_ids: tuple[Annotated[str, StringConstraints(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...] = Field(
        default=(), max_length=16, strict=False
    )
    """Subnets of the existing network; they need a way to AWS and to the registries of images."""
    flow_logs: bool = False
    """Whether connections are logged; CloudWatch bills for them."""


class StorageSettings(Table):
    """``[storage]``: the two buckets."""

    abort_uploads_days: Annotated[int, Field(ge=1, le=365)] = 1
    """Days after which parts of an upload that never completed are removed."""
    kms_key_arn: KeyArn | None = None
    """A key of yours that encrypts both buckets; its policy must let this account's roles use it. Default: S3's key."""
    expire_inputs_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """Days after which inputs are deleted, with their versions. Default: never."""
    archive_results_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """Days after which results of 128 KiB and more move to the archive class. Default: never."""
    archive_class: Literal["GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"] = "GLACIER_IR"
    """Only results in GLACIER_IR can be read immediately."""
    input_bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    """An existing bucket instead of one of ours: versioned, with EventBridge notifications switched on."""
    web_origins: tuple[WebOrigin, ...] = Field(default=(), max_length=20, strict=False)
    """Web pages, such as ``https://data.example.org``, from which a browser may upload and read, with credentials."""


class ObservabilitySettings(Table):
    """``[observability]``: what is watched, and how long it is remembered."""

    log_retention_days: RetentionDays = 90
    """Days that logs are kept."""
    oldest_message_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    """How long a message may wait in a queue before an alarm sends a mail."""


class ArrivalSettings(Table):
    """``[arrivals]``: how the arrival function takes messages from its queue."""

    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Messages per invocation, at most."""
    window_seconds: Annotated[int, Field(ge=0, le=300)] = 1
    """How long messages are gathered; above 10 messages AWS wants at least one second."""
    unmatched: Literal["reject", "ignore"] = "reject"
    """Whether a file that no pipeline takes is rejected with a reason or ignored."""
    max_runs_per_request: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Maximum number of runs that one request may start; a larger request is rejected."""


class PipelineSettings(Container):
    """``[pipeline.<name>]``: a program and what it needs. The name is the folder that triggers it."""

    image: str = ""
    """A directory of this repository with a Dockerfile, or the full URI of an image; beside ``base``, a directory with
    what is to be added, or nothing. An image in a private repository of Amazon ECR may be pulled; if the repository is
    another account's, its policy must let this account pull."""
    base: Annotated[str, StringConstraints(pattern=r"^[\w./:@-]*$")] = ""
    """URI of an image of yours, with any Python or none: it gets the runtime, and stays otherwise as it is. Whoever
    builds must be logged in to its registry."""
    command: tuple[str, ...] = Field(min_length=1, strict=False)
    """Argument list; ``{input}``, ``{output}`` and ``{scratch}`` are filled in."""
    pools: tuple[PoolName, ...] = Field(min_length=1, strict=False)
    """Pools, in the order in which they are tried."""
    vcpus: Annotated[int, Field(ge=1, le=192)] = 1
    """vCPUs of one job."""
    memory_mib: Annotated[int, Field(ge=64, le=1_500_000)] = 1800
    """Memory of one job; a machine gives 92 % of what its type says, or less."""
    timeout_minutes: Annotated[int, Field(ge=1, le=20_160)] = 60
    """Minutes after which one try is stopped."""
    tries: Annotated[int, Field(ge=1, le=10)] = 2
    """How often Batch starts a job whose Spot machine was reclaimed or whose image could not be pulled."""
    priority: Annotated[int, Field(ge=0, le=9999)] = DEFAULT_PRIORITY
    """Of jobs of one group that wait for a pool, those with the higher number run first. It works inside the group's
    share: no group overtakes another by it."""
    after: PipelineName | None = None
    """Pipeline whose finished runs start this one; the input is what they left in their output directory."""
    memory_steps: tuple[Annotated[int, Field(ge=64, le=1_500_000)], ...] = Field(default=(), max_length=5, strict=False)
    """MiB of further attempts after a run was out of memory, in ascending order."""
    retry_failures: Annotated[int, Field(ge=0, le=5)] = 0
    """Number of retries after the program itself fails."""
    trigger: Literal["file", "folder", "submit"] = "file"
    """What starts a run: every file; a folder, once its marker is put into it; or requests only."""
    suffixes: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(default=(), strict=False)
    """Endings of file names that start a run; empty: every file does. For the trigger "file"."""
    marker: Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f]{1,100}$")] | None = None
    """Name of the object that closes a folder, ``_DONE`` unless said. For the trigger "folder"."""
    max_vcpus: Annotated[int, Field(ge=1, le=192)] | None = None
    """Maximum vCPUs that a request may ask for. Default: four times `vcpus`."""
    max_memory_mib: Annotated[int, Field(ge=64, le=1_500_000)] | None = None
    """Maximum memory that a request may ask for. Default: four times `memory_mib`."""
    max_timeout_minutes: Annotated[int, Field(ge=1, le=20_160)] | None = None
    """Maximum timeout that a request may ask for. Default: four times `timeout_minutes`."""

    @property
    def closing_marker(self) -> str:
        """`marker`, the default filled in."""
        return self.marker or "_DONE"


class Settings(BaseModel):
    """One environment, validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)

    environment: EnvironmentSettings
    state: StateSettings
    notify: NotifySettings
    budget: BudgetSettings
    network: NetworkSettings
    storage: StorageSettings
    arrivals: ArrivalSettings
    observability: ObservabilitySettings
    compute: dict[str, PoolSettings]
    pipeline: dict[str, PipelineSettings]
    group: dict[str, GroupSettings]

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.name

    def resource_name(self, *parts: str) -> str:
        """``dropbatch-<environment>-<part>…``."""
        return resource_name(self.name, *parts)

    @property
    def prices(self) -> dict[str, tuple[float, float]]:
        """USD per vCPU-hour and per GiB-hour of the pools that have both."""
        return {
            name: (pool.usd_per_vcpu_hour, pool.usd_per_gib_hour)
            for name, pool in self.compute.items()
            if pool.usd_per_vcpu_hour is not None and pool.usd_per_gib_hour is not None
        }

    def groups_of(self, pipeline: str) -> list[str]:
        """Groups that may use a pipeline, by name."""
        return sorted(name for name, group in self.group.items() if group.allows(pipeline))

    def deployment(self) -> Deployment:
        """What the Lambda functions need to know of this environment."""
        return Deployment(
            environment=self.name,
            region=self.environment.region,
            groups=tuple(sorted(self.group)),
            contacts=tuple(sorted(name for name, group in self.group.items() if group.contacts)),
            operators_hear=self.notify.runs,
            limits={name: limit for name, group in self.group.items() if (limit := group.limit) is not None},
            read_prefixes={name: group.read_prefixes for name, group in self.group.items() if group.read_prefixes},
            pipelines={
                name: Pipeline(
                    pools=pipeline.pools,
                    definitions={group: self.resource_name(name, group) for group in self.groups_of(name)},
                    suffixes=pipeline.suffixes,
                    after=pipeline.after,
                    memory_steps=pipeline.memory_steps,
                    retry_failures=pipeline.retry_failures,
                    trigger=pipeline.trigger,
                    marker=pipeline.closing_marker,
                    read_buckets=pipeline.read_buckets,
                    vcpus=pipeline.vcpus,
                    memory_mib=pipeline.memory_mib,
                    timeout_minutes=pipeline.timeout_minutes,
                    # Nor more than any of its pools has: the job would wait for ever.
                    max_vcpus=min(
                        pipeline.max_vcpus or 4 * pipeline.vcpus,
                        *(self.compute[pool].max_vcpus for pool in pipeline.pools),
                    ),
                    max_memory_mib=pipeline.max_memory_mib or max(4 * pipeline.memory_mib, *pipeline.memory_steps, 0),
                    max_timeout_minutes=pipeline.max_timeout_minutes or 4 * pipeline.timeout_minutes,
                    priority=pipeline.priority,
                )
                for name, pipeline in self.pipeline.items()
            },
            pools={
                name: Pool(
                    queue=self.resource_name(name),
                    spot=pool.kind == "spot",
                    usd_per_vcpu_hour=pool.usd_per_vcpu_hour,
                    usd_per_gib_hour=pool.usd_per_gib_hour,
                    machines=tuple(sorted({(each.vcpus, each.usable_mib) for each in instances.expand(pool.types)[0]})),
                )
                for name, pool in self.compute.items()
            },
            budget_action=self.budget.action,
            lease_seconds=self.environment.lease_seconds,
            reconcile_minutes=self.environment.reconcile_minutes,
            auto_resume=self.budget.auto_resume,
            mail_window_minutes=self.notify.window_minutes,
            unmatched=self.arrivals.unmatched,
            max_runs_per_request=self.arrivals.max_runs_per_request,
            instance_types={each.name: (each.vcpus, each.usable_mib, each.gpus) for each in instances.known()},
        )
