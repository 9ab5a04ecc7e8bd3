"""The stack of one environment: which constructs there are, and who may do what to whom."""

from dataclasses import dataclass

from cdktf import LocalBackend, S3Backend, TerraformOutput, TerraformStack
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from constructs import Construct

from constructs_lib.assets import Assets
from constructs_lib.bucket import Bucket, BucketProps
from constructs_lib.budget import Budget, BudgetProps
from constructs_lib.events import JobEvents, JobEventsProps, RunNotices, RunNoticesProps
from constructs_lib.functions import Functions, FunctionsProps
from constructs_lib.job import Resources
from constructs_lib.ledger import Ledger, LedgerProps
from constructs_lib.log_group import LogGroup, LogGroupProps
from constructs_lib.machine_profile import MachineProfile, MachineProfileProps
from constructs_lib.network import Network, NetworkProps
from constructs_lib.pipeline import Pipeline, PipelineProps
from constructs_lib.pointers import Pointers, PointersProps
from constructs_lib.pool import Pool, PoolProps
from constructs_lib.queue import Queue, QueueProps
from constructs_lib.registry import Registry, RegistryProps
from constructs_lib.site import Site, SiteProps
from constructs_lib.topic import Topic, TopicProps
from constructs_lib.variables import Variables, VariablesProps
from dropbatch.settings import Settings

__all__ = ["DropbatchStack", "DropbatchStackProps"]


@dataclass(frozen=True, kw_only=True)
class DropbatchStackProps:
    """One environment and what was computed from files for it."""

    settings: Settings
    assets: Assets


class DropbatchStack(TerraformStack):
    """Everything of one environment. Its id is the environment's name."""

    def __init__(self, scope: Construct, id_: str, props: DropbatchStackProps) -> None:
        super().__init__(scope, id_)
        settings = props.settings
        self._set_up_terraform(settings)
        variables = Variables(
            self,
            "Variables",
            VariablesProps(email=settings.notify.email, budget_usd=settings.budget.monthly_usd),
        )
        site = Site(
            self,
            "Site",
            SiteProps(
                prefix=settings.resource_name(),
                environment=settings.name,
                region=settings.environment.region,
                disposable=settings.environment.disposable,
            ),
        )
        groups = sorted(settings.group)

        abort_days = settings.storage.abort_uploads_days
        inputs = Bucket(self, "Inputs", BucketProps(site=site, purpose="input", abort_uploads_days=abort_days))
        outputs = Bucket(self, "Outputs", BucketProps(site=site, purpose="output", abort_uploads_days=abort_days))
        arrivals = Queue(self, "Arrivals", QueueProps(site=site, name="arrivals", visibility_seconds=720))
        inputs.notify(arrivals)
        ledger = Ledger(self, "Ledger", LedgerProps(site=site))
        registry = Registry(self, "Registry", RegistryProps(site=site))
        job_logs = LogGroup(self, "JobLogs", LogGroupProps(name=f"/dropbatch/{settings.name}/jobs"))

        network = Network(self, "Network", NetworkProps(site=site, cidr=settings.network.cidr))
        profile = MachineProfile(
            self, "MachineProfile", MachineProfileProps(site=site, registry=registry, job_logs=job_logs)
        )
        pools = {
            name: Pool(
                self,
                f"Pool-{name}",
                PoolProps(
                    site=site,
                    name=name,
                    spot=pool.kind == "spot",
                    network=network,
                    profile=profile,
                    min_vcpus=pool.min_vcpus,
                    max_vcpus=pool.max_vcpus,
                    instance_types=pool.types,
                    priority=pool.priority,
                    root_gib=pool.root_gib,
                    shares=groups,
                ),
            )
            for name, pool in settings.compute.items()
        }
        for name, pipeline in settings.pipeline.items():
            Pipeline(
                self,
                f"Pipeline-{name}",
                PipelineProps(
                    site=site,
                    name=name,
                    image=props.assets.images[name],
                    command=pipeline.command,
                    resources=Resources(vcpus=pipeline.vcpus, memory_mib=pipeline.memory_mib),
                    timeout_minutes=pipeline.timeout_minutes,
                    tries=pipeline.tries,
                    groups=groups,
                    registry=registry,
                    job_logs=job_logs,
                    inputs=inputs,
                    outputs=outputs,
                ),
            )

        job_events = Queue(self, "JobEvents", QueueProps(site=site, name="job-events", visibility_seconds=720))
        JobEvents(self, "JobEventsRule", JobEventsProps(site=site, pools=list(pools.values()), queue=job_events))
        operators = Topic(self, "Operators", TopicProps(site=site, name="operators"))
        operators.mail_to(variables.notification_email)
        RunNotices(self, "RunNotices", RunNoticesProps(site=site, topic=operators))
        spent = Topic(self, "BudgetSpent", TopicProps(site=site, name="budget"))
        spent.mail_to(variables.notification_email)
        Budget(
            self,
            "Budget",
            BudgetProps(
                site=site,
                limit=variables.budget_limit,
                warn_at_percent=settings.budget.warn_at_percent,
                warnings=operators,
                exceeded=spent,
            ),
        )
        functions = Functions(
            self,
            "Functions",
            FunctionsProps(
                site=site,
                packages=props.assets.packages,
                inputs=inputs,
                outputs=outputs,
                ledger=ledger,
                arrivals=arrivals,
                job_events=job_events,
                batch_size=settings.arrivals.batch_size,
                window_seconds=settings.arrivals.window_seconds,
                reconcile_minutes=settings.environment.reconcile_minutes,
            ),
        )
        if settings.budget.action != "none":
            functions.spend_guard.subscribe(spent)
        pointers = Pointers(
            self,
            "Pointers",
            PointersProps(
                site=site,
                inputs=inputs,
                outputs=outputs,
                ledger=ledger,
                job_logs=job_logs,
                arrivals=arrivals,
                operators=operators,
                groups=groups,
                pipelines=list(settings.pipeline),
                pools=pools,
            ),
        )
        self._output("input_bucket", inputs.name, "Drop files here, below <group>/<pipeline>/")
        self._output("output_bucket", outputs.name, "Results appear here")
        self._output("ledger_table", ledger.name, "The table of runs")
        self._output("repository_url", registry.url, "Images of the pipelines")
        self._output("operators_topic_arn", operators.arn, "Who listens here is told of every run's end")
        self._output("parameter", pointers.name, "SSM parameter with all of this, for programs")

    def _set_up_terraform(self, settings: Settings) -> None:
        account = settings.environment.account_id
        AwsProvider(
            self,
            "Aws",
            region=settings.environment.region,
            default_tags=[AwsProviderDefaultTags(tags={"research-stack-id": settings.resource_name()})],
            allowed_account_ids=None if account is None else [account],
        )
        self.add_override("terraform.required_version", ">= 1.11")
        if settings.state.backend == "s3":
            S3Backend(
                self,
                bucket=settings.state.bucket or "",
                key=f"dropbatch/{settings.name}.tfstate",
                region=settings.environment.region,
                encrypt=True,
            )
            self.add_override("terraform.backend.s3.use_lockfile", True)  # cdktf 0.21 has no argument for it
        else:
            # Terraform runs in cdktf.out/stacks/<environment>: the state lies beside main.py, where it survives a
            # removal of cdktf.out.
            LocalBackend(self, path=f"../../../terraform.{settings.name}.tfstate")

    def _output(self, name: str, value: str, description: str) -> None:
        TerraformOutput(self, name, value=value, description=description)
