"""An audit's mapped pages are released after a fixed number of bytes."""

from __future__ import annotations

from sdcoreml.convert.proof.pages import Pages


class Mapping:
    """A `Mapped` that counts how often it is released."""

    released = 0

    def release(self) -> None:
        self.released += 1


def test_pages_are_released_after_each_sixteen_mebibytes() -> None:
    one, other = Mapping(), Mapping()
    pages = Pages(one, object(), other)
    pages.count(16 << 20)
    assert (one.released, other.released) == (0, 0)
    pages.count(1)
    assert (one.released, other.released) == (1, 1)
    pages.count(16 << 20)
    assert one.released == 1, "the count begins anew"
    pages.release()
    assert (one.released, other.released) == (2, 2)
