"""Floor 3: the converter, from checkpoints to compiled Core ML models."""
