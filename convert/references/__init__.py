"""The pinned diffusers and transformers modules that written programs are judged by."""
