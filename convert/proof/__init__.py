"""Proves a written program without torch: the audit of its weights, and the record of its proof."""
