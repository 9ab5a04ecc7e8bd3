"""AWS Batch on one machine: the API, a scheduler and runners that really run jobs.

Path of a request or a job through the modules: `service` (registers with MiniStack) → `api` (path to operation)
→ `environments`, `queues`, `policies`, `definitions`, `submit`, `jobs`, `tags` (one resource each) → `store` (what
exists) ← `scheduler` (places and ends jobs) → `runner` (processes) and `events` (EventBridge).
"""
