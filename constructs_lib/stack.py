"""The stack of one environment: its constructs and the rights between them."""

from dataclasses import dataclass

from cdktf import LocalBackend, S3Backend, TerraformOutput, TerraformStack
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from constructs import Construct

from constructs_lib.alarms import Alarms, AlarmsProps
from constructs_lib.assets import Assets
from constructs_lib.bucket import Bucket, BucketProps
from constructs_lib.budget import Budget, BudgetProps
from constructs_lib.dashboard import Dashboard, DashboardProps
from constructs_lib.events import JobEvents, JobEventsProps, RunNotices, RunNoticesProps
from constructs_lib.existing_bucket import ExistingBucket, ExistingBucketProps
from constructs_lib.forgotten import OWN_INPUTS, forget
from constructs_lib.functions import Functions, FunctionsProps
from constructs_lib.group import Places
from constructs_lib.kept import Kept, KeptProps
from constructs_lib.ledger import Ledger, LedgerProps
from constructs_lib.log_group import LogGroup, LogGroupProps
from constructs_lib.pipeline import Shared
from constructs_lib.pointers import Pointers, PointersProps
from constructs_lib.pool import Pool
from constructs_lib.preflight import Preflight, PreflightProps
from constructs_lib.queue import Queue, QueueProps
from constructs_lib.reachable import Reachable
from constructs_lib.refused_submissions import RefusedSubmissions, RefusedSubmissionsProps
from constructs_lib.registry import Registry, RegistryProps
from constructs_lib.run_log import RunLog, RunLogProps
from constructs_lib.site import Site, SiteProps
from constructs_lib.stack_compute import make_pipeline, make_pools
from constructs_lib.stack_groups import make_contacts, make_groups
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
                log_retention_days=settings.observability.log_retention_days,
                permissions_boundary=settings.environment.permissions_boundary,
            ),
        )
        timeout = settings.environment.function_seconds
        visibility = settings.environment.visibility_seconds or 6 * timeout

        inputs, outputs, data = self._buckets(settings, site)
        arrivals = Queue(self, "Arrivals", QueueProps(site=site, name="arrivals", visibility_seconds=visibility))
        inputs.notify(arrivals)
        ledger = Ledger(self, "Ledger", LedgerProps(site=site))
        registry = Registry(self, "Registry", RegistryProps(site=site))
        if not site.disposable:
            kept = {f"{bucket.purpose} bucket": bucket.name for bucket in data}
            kept |= {"ledger": ledger.name, "images": registry.name}
            whole = [part for bucket in data for part in bucket.whole]
            Kept(self, "Kept", KeptProps(site=site, things=kept, whole=[*whole, *ledger.whole, *registry.whole]))
        job_logs = LogGroup(
            self,
            "JobLogs",
            LogGroupProps(name=f"/dropbatch/{settings.name}/jobs", retention_days=site.log_retention_days),
        )
        pools = make_pools(self, settings, site, registry)
        for name in settings.pipeline:
            make_pipeline(
                self,
                name,
                settings,
                Shared(site=site, registry=registry, job_logs=job_logs, inputs=inputs, outputs=outputs),
                props.assets.images[name],
            )

        job_events = Queue(self, "JobEvents", QueueProps(site=site, name="job-events", visibility_seconds=visibility))
        changes = JobEvents(
            self, "JobEventsRule", JobEventsProps(site=site, pools=list(pools.values()), queue=job_events)
        )
        operators = Topic(self, "Operators", TopicProps(site=site, name="operators"))
        notices = RunNotices(self, "RunNotices", RunNoticesProps(site=site, topic=operators))
        # Apart from the operators' topic, which has a line for every run: that is for programs.
        people = Topic(self, "People", TopicProps(site=site, name="people"))
        people.mail_to(variables.notification_email)
        spent = Topic(self, "BudgetSpent", TopicProps(site=site, name="budget"))
        spent.mail_to(variables.notification_email)
        Budget(
            self,
            "Budget",
            BudgetProps(
                site=site,
                limit=variables.budget_limit,
                warn_at_percent=settings.budget.warn_at_percent,
                warn_forecast_percent=settings.budget.warn_forecast_percent,
                warnings=people,
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
                people=people,
                contacts=make_contacts(self, settings, site),
                batch_size=settings.arrivals.batch_size,
                window_seconds=settings.arrivals.window_seconds,
                reconcile_minutes=settings.environment.reconcile_minutes,
                timeout_seconds=timeout,
                read_buckets=[
                    name.partition("/")[0] for pipeline in settings.pipeline.values() for name in pipeline.read_buckets
                ],
            ),
        )
        if settings.budget.action != "none":
            functions.spend_guard.subscribe(spent)
        dashboard = self._watch(
            settings,
            site,
            functions=functions,
            queues=[arrivals, job_events],
            pools=list(pools.values()),
            rules=[changes.rule_name, notices.rule_name, functions.run_events.schedule_name]
            + ([inputs.rule_name] if isinstance(inputs, ExistingBucket) else []),
            tell=people,
        )
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
                settings=settings,
                pools=pools,
            ),
        )
        places = Places(inputs=inputs, outputs=outputs, ledger=ledger, job_logs=job_logs, pointers=pointers)
        make_groups(self, settings, site, places)
        self._output("input_bucket", inputs.name, "Drop files here, below <group>/<pipeline>/")
        self._output("output_bucket", outputs.name, "Results appear here")
        self._output("ledger_table", ledger.name, "The table of runs")
        self._output("repository_url", registry.url, "Images of the pipelines")
        self._output("operators_topic_arn", operators.arn, "Who listens here is told of every run's end")
        self._output("parameter", pointers.name, "SSM parameter with all of this, for programs")
        self._output("dashboard", dashboard.url, "Runs, queues, machines and spend on one page")
        self._preflight(settings, site, props.assets)

    def _buckets(self, settings: Settings, site: Site) -> tuple[Reachable, Bucket, list[Bucket]]:
        """The buckets for inputs and results, and those of them that are ours."""
        storage = settings.storage
        outputs = Bucket(
            self,
            "Outputs",
            BucketProps(
                site=site,
                purpose="output",
                abort_uploads_days=storage.abort_uploads_days,
                kms_key_arn=storage.kms_key_arn,
                web_origins=storage.web_origins,
                archive_days=storage.archive_results_days,
                archive_class=storage.archive_class,
            ),
        )
        if storage.input_bucket is not None:
            if not site.disposable:
                forget(self, OWN_INPUTS)
            existing = ExistingBucketProps(site=site, name=storage.input_bucket, kms_key_arn=storage.kms_key_arn)
            return ExistingBucket(self, "ExistingInputs", existing), outputs, [outputs]
        inputs = Bucket(
            self,
            "Inputs",
            BucketProps(
                site=site,
                purpose="input",
                abort_uploads_days=storage.abort_uploads_days,
                kms_key_arn=storage.kms_key_arn,
                web_origins=storage.web_origins,
                expire_days=storage.expire_inputs_days,
            ),
        )
        return inputs, outputs, [inputs, outputs]

    def _watch(
        self,
        settings: Settings,
        site: Site,
        *,
        functions: Functions,
        queues: list[Queue],
        pools: list[Pool],
        rules: list[str],
        tell: Topic,
    ) -> Dashboard:
        runs = RunLog(self, "RunLog", RunLogProps(site=site))
        Alarms(
            self,
            "Alarms",
            AlarmsProps(
                site=site,
                queues=queues,
                functions=[functions.arrival, functions.run_events, functions.spend_guard],
                rules=[*rules, runs.rule_name],
                topic=tell,
                oldest_message_minutes=settings.observability.oldest_message_minutes,
            ),
        )
        lasts = settings.deployment().refusal
        RefusedSubmissions(self, "RefusedSubmissions", RefusedSubmissionsProps(site=site, topic=tell, lasts=lasts))
        return Dashboard(self, "Dashboard", DashboardProps(site=site, runs=runs, queues=queues, pools=pools))

    def _preflight(self, settings: Settings, site: Site, assets: Assets) -> None:
        tags = {
            name: image.tag if image.architecture == "amd64" else f"{image.tag}@{image.architecture}"
            for name, image in assets.images.items()
            if image.uri is None
        }
        if not tags and settings.storage.input_bucket is None:
            return
        preflight = Preflight(
            self,
            "Preflight",
            PreflightProps(site=site, repository=site.prefix, tags=tags, input_bucket=settings.storage.input_bucket),
        )
        preflight.precede_everything(self)

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
