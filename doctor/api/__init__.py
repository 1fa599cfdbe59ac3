"""What programs call: the verbs as functions; `sdcoreml.api` has their stable names."""
