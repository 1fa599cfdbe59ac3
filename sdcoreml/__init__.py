"""sdcoreml: Stable Diffusion checkpoints to verified Core ML folders.

The floors are links to the folders at the top of the checkout; a wheel holds the folders
themselves. Whatever the way it was installed, code is imported by this one name.
"""
