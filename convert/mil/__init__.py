"""The reference interpreter: runs a written ML Program on torch, on any system."""
