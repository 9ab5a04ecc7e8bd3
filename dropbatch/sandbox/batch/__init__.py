"""AWS Batch on one machine: the API, a scheduler and runners that really run jobs.

How a request or a job passes through the files: `service` (wires, plugs into MiniStack) → `api` (path to operation)
→ `environments`, `queues`, `policies`, `definitions`, `submit`, `jobs`, `tags` (one resource each) → `store` (what
exists) ← `scheduler` (places and ends jobs) → `runner` (processes) and `events` (EventBridge).
"""
