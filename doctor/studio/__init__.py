"""The studio: one page on this machine, a view of the queue and of the tool's own judgement."""
