"""The queue: what is to be done, one after another, kept on disk; and the runner that does it."""
