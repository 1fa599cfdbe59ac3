"""From .mlpackage to .mlmodelc without Xcode."""
