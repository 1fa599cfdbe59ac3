"""Floor 4: the front door. Facts, checks, findings, reports, and the command line."""
