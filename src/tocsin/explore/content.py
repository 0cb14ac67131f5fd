"""What an answer holds: its bytes, and the same compressed once for all who ask for it."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cached_property

SMALL = 1000  # letters below which compression gains nothing


@dataclass(frozen=True)
class Content:
    """An answer's bytes."""

    plain: bytes

    def __len__(self) -> int:
        return len(self.plain) + len(self.zipped)

    @cached_property
    def zipped(self) -> bytes:
        """Return the bytes compressed; none where that gains nothing."""
        return b"" if len(self.plain) < SMALL else gzip.compress(self.plain, 4, mtime=0)

    def made(self) -> Content:
        """Return this content with its compressed form made, so that whoever sends it need not."""
        len(self)
        return self
