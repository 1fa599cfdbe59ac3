"""Floor 4: the command line, and the doctor, which turns facts into findings and reports."""
