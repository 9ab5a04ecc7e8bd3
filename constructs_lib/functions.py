"""The three Lambda functions, their environment variables and their rights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from constructs import Construct

from constructs_lib.assets import Package
from constructs_lib.contacts import Contacts
from constructs_lib.function import Function, FunctionProps
from constructs_lib.ledger import Ledger
from constructs_lib.policy import Statement
from constructs_lib.queue import Queue
from constructs_lib.reachable import Reachable
from constructs_lib.role import Role
from constructs_lib.site import Site
from constructs_lib.topic import Topic
from dropbatch.contract import keys

__all__ = ["Functions", "FunctionsProps"]

_MANIFESTS = f"{keys.CONTROL_PREFIX}manifests/"
_FENCES = f"{keys.CONTROL_PREFIX}started/"
_PLANS = f"{keys.CONTROL_PREFIX}requests/"
_REQUESTS = f"*/{keys.SUBMISSIONS}/"
_REJECTIONS = keys.rejection_key(f"{_REQUESTS}*")
_RECORDS = f"*/{keys.RECORD_NAME}"
_LOGS = f"*/{keys.LOG_NAME}"
_TALLIES = f"{keys.CONTROL_PREFIX}tallies/"
_REPORTS = keys.report_key("*", "*")


@dataclass(frozen=True, kw_only=True)
class FunctionsProps:
    """What the functions read, write and are started by."""

    site: Site
    packages: Mapping[str, Package]
    inputs: Reachable
    outputs: Reachable
    ledger: Ledger
    arrivals: Queue
    job_events: Queue
    people: Topic
    """Where mail to operators goes."""
    contacts: Contacts | None = None
    """Where mail to people of groups goes. Default: no group has any."""
    batch_size: int
    window_seconds: int
    reconcile_minutes: int
    timeout_seconds: int
    """Of every function; well below the lease of what it takes in hand."""
    read_buckets: Sequence[str] = ()
    """Buckets beside the input bucket that requests may name objects of."""


class Functions(Construct):
    """The arrival function, the run events function and the spend guard."""

    def __init__(self, scope: Construct, id_: str, props: FunctionsProps) -> None:
        super().__init__(scope, id_)
        self.arrival = self._arrival(props)
        self.run_events = self._run_events(props)
        self.spend_guard = self._spend_guard(props)

    def _arrival(self, props: FunctionsProps) -> Function:
        site = props.site
        function = Function(
            self,
            "Arrival",
            FunctionProps(
                site=site,
                name="arrival",
                description="Turns arrived files into runs and submits them",
                package=props.packages["arrival"],
                timeout_seconds=props.timeout_seconds,
                environment={
                    "LEDGER_TABLE": props.ledger.name,
                    "INPUT_BUCKET": props.inputs.name,
                    "OUTPUT_BUCKET": props.outputs.name,
                    "ARRIVAL_QUEUE_URL": props.arrivals.url,
                    "ARRIVAL_DEAD_LETTER_URL": props.arrivals.dead_url,
                },
            ),
        )
        role = function.role
        # A transaction needs the rights of its parts.
        props.ledger.grant(role, "BatchGetItem", "PutItem", "UpdateItem")
        props.outputs.grant(role, "WriteManifests", ["PutObject"], _MANIFESTS)
        props.arrivals.grant_send(role)
        props.arrivals.grant_send_dead(role)
        _grant_requests(role, props)
        ours, jobs = [site.batch_names("job-definition"), site.batch_names("job-queue")], site.arn("batch", "job/*")
        role.grant(
            # Has no resource level.
            Statement(sid="FindRevisions", actions=["batch:DescribeJobDefinitions"], resources=["*"]),
            # Of the job itself too, whose id Batch gives: "Actions, resources, and condition keys for AWS Batch" has
            # `job*` and `job-queue*` as required for SubmitJob, beside the definition.
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html
            Statement(sid="SubmitJobs", actions=["batch:SubmitJob"], resources=[*ours, jobs]),
            # Jobs have no names of ours: their ids are Batch's.
            Statement(sid="TagJobs", actions=["batch:TagResource"], resources=[*ours, jobs]),
            _end_jobs(site, "TerminateJob"),
            _announce(site),
        )
        function.consume(props.arrivals, batch_size=props.batch_size, window_seconds=props.window_seconds)
        return function

    def _run_events(self, props: FunctionsProps) -> Function:
        site = props.site
        function = Function(
            self,
            "RunEvents",
            FunctionProps(
                site=site,
                name="run-events",
                description="Keeps the ledger in step with the jobs, and repairs what fell behind",
                package=props.packages["run_events"],
                timeout_seconds=props.timeout_seconds,
                environment={
                    "LEDGER_TABLE": props.ledger.name,
                    "OUTPUT_BUCKET": props.outputs.name,
                    "ARRIVAL_QUEUE_URL": props.arrivals.url,
                    "PEOPLE_TOPIC_ARN": props.people.arn,
                    **({"CONTACTS_TOPIC_ARN": props.contacts.arn} if props.contacts else {}),
                },
            ),
        )
        role = function.role
        # It deletes flags: of a pause that ends with its month, of where its next reconcile goes on.
        props.ledger.grant(role, "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")
        props.ledger.grant_query(role)
        props.outputs.grant(role, "ReadControlObjects", ["GetObject"], _MANIFESTS, _FENCES, _TALLIES, _RECORDS, _LOGS)
        # In place of a container that did not live to do it.
        props.outputs.grant(role, "EndRuns", ["PutObject"], _FENCES, _TALLIES, _RECORDS, _REPORTS)
        props.people.grant_publish(role, "TellPeople")
        if props.contacts:
            props.contacts.grant_publish(role)
        # Most fences and records that it asks for do not exist, and S3 says so only to those who may list.
        props.outputs.grant_list(role)
        props.arrivals.grant_send(role)
        role.grant(
            # Have no resource level.
            Statement(sid="LookAtJobs", actions=["batch:ListJobs", "batch:DescribeJobs"], resources=["*"]),
            # Those that wait for a pool without capacity, so that they go to another.
            _end_jobs(site, "CancelJob", "TerminateJob"),
            *_switch_pools(site),
            _announce(site),
        )
        function.consume(props.job_events, batch_size=props.batch_size, window_seconds=props.window_seconds)
        function.run_every(props.reconcile_minutes)
        return function

    def _spend_guard(self, props: FunctionsProps) -> Function:
        site = props.site
        function = Function(
            self,
            "SpendGuard",
            FunctionProps(
                site=site,
                name="spend-guard",
                description="Pauses the deployment when its budget is spent",
                package=props.packages["spend_guard"],
                timeout_seconds=props.timeout_seconds,
                environment={"LEDGER_TABLE": props.ledger.name, "PEOPLE_TOPIC_ARN": props.people.arn},
            ),
        )
        props.ledger.grant_flags(function.role)
        props.people.grant_publish(function.role, "TellPeople")
        function.role.grant(
            # Has no resource level.
            Statement(sid="LookAtJobs", actions=["batch:ListJobs"], resources=["*"]),
            _end_jobs(site, "TerminateJob"),
            *_switch_pools(site),
        )
        return function


def _grant_requests(role: Role, props: FunctionsProps) -> None:
    """What requests need: to be read, a list of what data there is, plans, refusals, fences and records. No data."""
    props.inputs.grant(role, "ReadRequests", ["GetObject", "GetObjectVersion"], _REQUESTS)
    partition = props.site.partition
    buckets = [props.inputs.arn, *(f"arn:{partition}:s3:::{name}" for name in sorted(set(props.read_buckets)))]
    listing = ["s3:ListBucket", "s3:ListBucketVersions"]
    role.grant(Statement(sid="ListInputs", actions=listing, resources=buckets))
    # And records of runs that were cancelled before they started.
    props.outputs.grant(role, "KeepPlansAndFences", ["PutObject"], _PLANS, _FENCES, _REQUESTS, _RECORDS)
    props.outputs.grant(role, "ReadPlansFencesAndRecords", ["GetObject"], _PLANS, _FENCES, _MANIFESTS, _RECORDS)
    props.outputs.grant(role, "TakeRefusalsBack", ["GetObject", "DeleteObject"], _REJECTIONS)
    # Dead letters go back to the queue when what was wrong is mended.
    redrive = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    role.grant(Statement(sid="TakeDeadLetters", actions=redrive, resources=[props.arrivals.dead_arn]))


def _announce(site: Site) -> Statement:
    return Statement(sid="Announce", actions=["events:PutEvents"], resources=[site.arn("events", "event-bus/default")])


def _end_jobs(site: Site, *actions: str) -> Statement:
    # Jobs have no names of ours: their ids are Batch's.
    return Statement(
        sid="EndJobs", actions=[f"batch:{action}" for action in actions], resources=[site.arn("batch", "job/*")]
    )


def _switch_pools(site: Site) -> list[Statement]:
    return [
        Statement(
            sid="LookAtPools",
            # Have no resource level.
            actions=["batch:DescribeJobQueues", "batch:DescribeComputeEnvironments"],
            resources=["*"],
        ),
        *(
            Statement(sid=f"Switch{thing}s", actions=[f"batch:Update{thing}"], resources=[site.batch_names(kind)])
            for thing, kind in (("JobQueue", "job-queue"), ("ComputeEnvironment", "compute-environment"))
        ),
    ]
