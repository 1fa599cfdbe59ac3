"""One module a command of the `sdcoreml` command line."""
