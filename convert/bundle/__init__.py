"""The finished folder: what MochiDiffusion and Apple's Swift package demand of it."""
