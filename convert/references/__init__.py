"""The pinned diffusers and transformers modules that programs are compared with."""
