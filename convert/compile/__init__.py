"""A `.mlpackage` to the `.mlmodelc` folder that Core ML loads, on any system and without Xcode.

For an ML Program compiling is a change of notation: `lower` adds what the compiler adds, `text`
writes `model.mil`, `parse` reads it back, `coremldata`, `analytics` and `metadata` are the other
files, `check` proves a folder against its source, `package` does it all.
"""
