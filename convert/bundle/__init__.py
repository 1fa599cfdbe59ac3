"""The finished folder: what MochiDiffusion and Apple's Swift package require of it."""
