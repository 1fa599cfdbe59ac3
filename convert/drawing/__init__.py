"""Draws a picture from a finished folder as the apps do: tokens, noise, schedulers, pipelines."""
