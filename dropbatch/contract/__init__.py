"""What the parts of dropbatch agree on.

Keys in the buckets, run identities, manifests, ledger items, run records and events. Standard library only: this
package travels unchanged into every Lambda function and into every job's image.
"""
