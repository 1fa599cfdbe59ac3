"""Jobs: conversions planned, run, and recorded in a manifest."""
