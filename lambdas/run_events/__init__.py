"""Run events function: updates runs from Batch's job events, and regularly repairs runs that were left behind."""
