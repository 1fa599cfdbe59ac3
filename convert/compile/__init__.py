"""Compiles a `.mlpackage` to the `.mlmodelc` that Core ML loads, on any system, without Xcode.

For an ML Program, compiling only translates one file format to another: `lower` adds what Apple's
compiler adds, `text` writes `model.mil`, `parse` reads it back, `coremldata` and `metadata` write
the other files, `check` compares the result with its source, and `package` runs all of these.
"""
