"""Runs other programs, such as installers, in a clean environment, and explains their failures."""
