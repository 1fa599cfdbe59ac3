"""Trains the sample: a tiny Stable Diffusion 1.x that draws coloured shapes. For maintainers."""
