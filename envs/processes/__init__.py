"""Runs other programs, such as installers, with a clean environment, and explains failures."""
