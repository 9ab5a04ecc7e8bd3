"""Stages data in and out around a program: ``dropbatch-run -- COMMAND…``.

The program knows files; this package knows S3. Standard library, boto3 (imported only when S3 is needed) and
`dropbatch.contract`: it travels into every job's image.
"""
