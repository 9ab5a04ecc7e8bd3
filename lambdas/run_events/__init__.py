"""Run events function: what Batch says becomes the state of runs; what fell behind is repaired."""
