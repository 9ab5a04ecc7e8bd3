"""Run a program between stage-in and stage-out: ``dropbatch-run -- COMMAND…``.

The program reads and writes local files; this package copies them from and to S3. It is part of every job's image, and
imports only the standard library, boto3 (when S3 is needed) and `dropbatch.contract`.
"""
