"""Requests: files that ask for runs, or for something to happen to runs.

Reading and checking (`text`, `fields`, `submission`, `older`, `inputs`, `globs`, `actions`) is pure; `listing` looks at
buckets, `plans` keeps what a submission was found to mean, `desk` takes requests on, a piece at a time.
"""
