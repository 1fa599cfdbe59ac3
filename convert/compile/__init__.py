"""Compiles a `.mlpackage` to the `.mlmodelc` that Core ML loads, on any system, without Xcode.

For an ML Program, compiling is a change of notation: `lower` adds what the compiler adds, `text`
writes `model.mil`, `parse` reads it back, `coremldata`, `analytics` and `metadata` write the other
files, `check` compares a folder with its source, `package` does it all.
"""
