"""Values and the engine: facts, checks, findings, verdicts, fixes."""
