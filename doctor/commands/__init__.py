"""The verbs of the `sdcoreml` command line, one module for each."""
