"""Says what brings a library that a linker does not find: it is seldom called like the library."""

from __future__ import annotations

from collections.abc import Mapping

_FROM = {
    "z": ("zlib", "zlib1g-dev"),
    "ssl": ("openssl@3", "libssl-dev"),
    "crypto": ("openssl@3", "libssl-dev"),
    "ffi": ("libffi", "libffi-dev"),
    "lzma": ("xz", "liblzma-dev"),
    "bz2": ("bzip2", "libbz2-dev"),
    "sqlite3": ("sqlite", "libsqlite3-dev"),
    "jpeg": ("jpeg-turbo", "libjpeg-dev"),
    "omp": ("libomp", "libomp-dev"),
    "zstd": ("zstd", "libzstd-dev"),
    "GL": ("", "libgl1-mesa-dev"),
}
"""Homebrew's package of a library, and Debian's."""

_OF_GNU = "cannot find -l"


def find_library(name: str, line: str) -> Mapping[str, str]:
    """Return `brought`, what has a library, and `bring`, how it is installed where it is missed.

    Args:
        name: the library's, as the linker is given it behind -l.
        line: what the linker says of it.
    """
    brewed, packed = _FROM.get(name, ("", ""))
    if _OF_GNU in line:
        if packed:
            return {
                "brought": f" (Debian and Ubuntu have it in {packed})",
                "bring": f"sudo apt-get install {packed} (of another Linux the like)",
            }
        searched = f"apt-file search lib{name}.so names the package that has it"
        return {
            "bring": f"On Debian and Ubuntu {searched} (sudo apt-get install apt-file, sudo"
            " apt-file update). Name a folder of your own to the build: export LIBRARY_PATH=FOLDER"
        }
    if not brewed:
        return {}
    prefix = f"$(brew --prefix {brewed})"
    return {
        "brought": f" (Homebrew has it in {brewed})",
        "bring": f"brew install {brewed}, and name its folder to the build:"
        f" export LIBRARY_PATH={prefix}/lib CPATH={prefix}/include",
    }
