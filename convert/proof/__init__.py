"""Proves a written program without torch: audits its weights, and records its proof."""
