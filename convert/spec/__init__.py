"""The Core ML model specification as frozen values, read without coremltools."""
