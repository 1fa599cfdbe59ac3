"""Floor 3: the converter. Weights, models, programs, packages, parity."""
