"""The finished folder: the files that Mochi Diffusion and Apple's Swift package require."""
