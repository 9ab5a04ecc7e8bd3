"""Start pairs of `dropbatch-run` at the same moment, from one process that has imported everything.

Each line of standard input is a JSON list of pairs of environments. Each environment gets its own process, and all
start at once. For each line, a line of pairs of exit codes is printed.
"""

import json
import os
import sys

import boto3

from dropbatch.runtime.main import main

COMMAND = ["--", "sh", "-c", "echo $AWS_BATCH_JOB_ID > {output}/who"]


def start(env: dict[str, str]) -> int:
    """Process id of a run."""
    pid = os.fork()
    if pid:
        return pid
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    code = 1
    try:
        code = main(COMMAND, env)
    finally:
        os._exit(code)


boto3.client("s3")  # loads the service's model into the default session: once here instead of once per process
for line in sys.stdin:
    pairs = [[start(env) for env in pair] for pair in json.loads(line)]
    codes = [[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pair] for pair in pairs]
    print(json.dumps(codes), flush=True)
