"""The doctor's data types and engine: facts, checks, findings, verdicts, fixes."""
