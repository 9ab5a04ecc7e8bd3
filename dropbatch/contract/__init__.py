"""The formats that the parts of dropbatch share: object keys, run ids, manifests, ledger items, records, events.

It imports the standard library only, because it is part of every Lambda function and of every job's image.
"""
