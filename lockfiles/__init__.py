"""Floor 1: the toolchains as data (pins, compiled locks, evidence) and the code that reads them."""
