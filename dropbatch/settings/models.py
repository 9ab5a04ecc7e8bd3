"""The tables of an environment file, and what each key means."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dropbatch.contract import keys
from dropbatch.contract.deployment import Deployment, Pipeline, Pool, resource_name

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
    "PipelineName",
    "PipelineSettings",
    "PoolName",
    "PoolSettings",
    "Settings",
    "StateSettings",
    "StorageSettings",
    "Table",
]

DEFAULT_GROUP = "lab"
RESERVED_FOLDERS = (keys.INPUTS, keys.CONFIGS, keys.SUBMISSIONS)

# Lengths keep `dropbatch-<environment>-<pipeline>-<group>` within IAM's 64 characters for a role's name. A group's name
# is its Batch share identifier too, which takes letters and digits only.
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,11}$")]
PipelineName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]
GroupName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,15}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class Table(BaseModel):
    """A table of the file: frozen, nothing unknown, no conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class EnvironmentSettings(Table):
    """``[environment]``: what and where."""

    name: EnvironmentName
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    account_id: Annotated[str, StringConstraints(pattern=r"^\d{12}$")] | None = None
    """The only account this environment may be deployed to."""
    disposable: bool = False
    """Whether `destroy` may delete data: buckets with objects in them, the ledger, images."""
    reconcile_minutes: Annotated[int, Field(ge=1, le=60)] = 5
    """How often runs that fell behind are looked for."""


class StateSettings(Table):
    """``[state]``: where Terraform keeps its state."""

    backend: Literal["local", "s3"] = "local"
    bucket: str | None = None
    """Name of the state bucket; needed by the backend "s3"."""


class NotifySettings(Table):
    """``[notify]``: who is told. Also the Terraform variable ``notification_email``."""

    email: Email | None = None


class BudgetSettings(Table):
    """``[budget]``: the brake on spending. The limit is also the Terraform variable ``budget_limit``."""

    monthly_usd: Annotated[int, Field(ge=1, le=10_000_000)]
    warn_at_percent: tuple[Annotated[int, Field(ge=1, le=500)], ...] = Field(default=(50, 80), strict=False)
    """Shares of the limit at which a warning goes out."""
    action: Literal["pause", "stop", "none"] = "pause"
    """What happens at 100 %: nothing new starts; running jobs are ended too, to start anew later; or nothing."""
    auto_resume: bool = False
    """Whether a pause by the budget ends by itself when the next month begins."""


class NetworkSettings(Table):
    """``[network]``: the VPC of the machines."""

    cidr: Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,3}){3}/(1[6-9]|2[0-4])$")] = "10.20.0.0/16"


class StorageSettings(Table):
    """``[storage]``: the two buckets."""

    abort_uploads_days: Annotated[int, Field(ge=1, le=365)] = 1
    """Days after which parts of an upload that never completed are removed."""


class ArrivalSettings(Table):
    """``[arrivals]``: how the arrival function takes messages from its queue."""

    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Messages per invocation, at most."""
    window_seconds: Annotated[int, Field(ge=0, le=300)] = 1
    """How long messages are gathered; above 10 messages AWS wants at least one second."""
    unmatched: Literal["reject", "ignore"] = "reject"
    """What becomes of a file that no pipeline is set up for: refused with a reason, or left alone."""
    max_runs_per_request: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Runs that one request may start; a request for more is refused."""


class PoolSettings(Table):
    """``[compute.<pool>]``: machines of one kind, with a job queue of their own."""

    kind: Literal["spot", "on_demand"]
    max_vcpus: Annotated[int, Field(ge=1, le=100_000)]
    min_vcpus: Annotated[int, Field(ge=0, le=100_000)] = 0
    """vCPUs kept running when nothing is to do; above 0 they cost money day and night."""
    instance_types: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)?$")], ...] = Field(
        default=("m6i", "c6i", "r6i"), min_length=1, strict=False
    )
    """Families (``m6i``) or exact types (``m6i.large``)."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 1
    usd_per_vcpu_hour: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Price for estimates of what a run cost; without both prices the cost is unknown."""
    usd_per_gib_hour: Annotated[float, Field(ge=0, le=1000)] | None = None
    """Price of memory. Where a machine's price is not split, put it all on vCPUs and 0 here."""
    root_gib: Annotated[int, Field(ge=30, le=16_384)] = 50
    """Size of a machine's encrypted root disk, scratch space of jobs included."""


class PipelineSettings(Table):
    """``[pipeline.<name>]``: a program and what it needs. The name is the folder that triggers it."""

    image: Annotated[str, StringConstraints(min_length=1)]
    """A directory of this repository with a Dockerfile, or the full URI of an image."""
    command: tuple[str, ...] = Field(min_length=1, strict=False)
    """Argument list; ``{input}``, ``{output}`` and ``{scratch}`` are filled in."""
    pools: tuple[PoolName, ...] = Field(min_length=1, strict=False)
    """Pools in the order in which they are tried."""
    vcpus: Annotated[int, Field(ge=1, le=192)] = 1
    memory_mib: Annotated[int, Field(ge=64, le=1_500_000)] = 1800
    timeout_minutes: Annotated[int, Field(ge=1, le=20_160)] = 60
    """Minutes after which one try is stopped."""
    tries: Annotated[int, Field(ge=1, le=10)] = 2
    """How often Batch starts a job whose machine was taken away or whose image could not be pulled."""
    after: PipelineName | None = None
    """Pipeline whose finished runs start this one; the input is what they left in their output directory."""
    memory_steps: tuple[Annotated[int, Field(ge=64, le=1_500_000)], ...] = Field(default=(), max_length=5, strict=False)
    """MiB of further attempts, each larger than the one before, for runs that memory did not suffice."""
    retry_failures: Annotated[int, Field(ge=0, le=5)] = 0
    """How often a run is tried again whose program failed by itself."""
    trigger: Literal["file", "folder", "submit"] = "file"
    """What starts a run: every file; a folder, once its marker is put into it; or requests only."""
    suffixes: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(default=(), strict=False)
    """Endings of file names that start a run; empty: every file does. For the trigger "file"."""
    marker: Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f]{1,100}$")] | None = None
    """Name of the object that closes a folder, ``_DONE`` unless said. For the trigger "folder"."""
    max_vcpus: Annotated[int, Field(ge=1, le=192)] | None = None
    """The most vCPUs that a request may ask for; four times `vcpus` unless said."""
    max_memory_mib: Annotated[int, Field(ge=64, le=1_500_000)] | None = None
    """The most memory that a request may ask for; four times `memory_mib` unless said."""
    max_timeout_minutes: Annotated[int, Field(ge=1, le=20_160)] | None = None
    """The longest timeout that a request may ask for; four times `timeout_minutes` unless said."""


class GroupSettings(Table):
    """``[group.<name>]``: people who share data."""


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

    def deployment(self) -> Deployment:
        """What the Lambda functions need to know of this environment."""
        return Deployment(
            environment=self.name,
            region=self.environment.region,
            groups=tuple(sorted(self.group)),
            pipelines={
                name: Pipeline(
                    pools=pipeline.pools,
                    definitions={group: self.resource_name(name, group) for group in sorted(self.group)},
                    suffixes=pipeline.suffixes,
                    after=pipeline.after,
                    memory_steps=pipeline.memory_steps,
                    retry_failures=pipeline.retry_failures,
                    trigger=pipeline.trigger,
                    marker=pipeline.marker or "_DONE",
                    max_vcpus=pipeline.max_vcpus or 4 * pipeline.vcpus,
                    max_memory_mib=pipeline.max_memory_mib or max(4 * pipeline.memory_mib, *pipeline.memory_steps, 0),
                    max_timeout_minutes=pipeline.max_timeout_minutes or 4 * pipeline.timeout_minutes,
                )
                for name, pipeline in self.pipeline.items()
            },
            pools={
                name: Pool(
                    queue=self.resource_name(name),
                    spot=pool.kind == "spot",
                    usd_per_vcpu_hour=pool.usd_per_vcpu_hour,
                    usd_per_gib_hour=pool.usd_per_gib_hour,
                )
                for name, pool in self.compute.items()
            },
            budget_action=self.budget.action,
            auto_resume=self.budget.auto_resume,
            unmatched=self.arrivals.unmatched,
            max_runs_per_request=self.arrivals.max_runs_per_request,
        )
