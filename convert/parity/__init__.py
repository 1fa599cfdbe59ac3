"""Written programs run beside their torch modules; needs torch."""
