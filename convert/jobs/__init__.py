"""Jobs: what is asked for, planned, run, and written down in a manifest."""
