"""Builders of ties: each returns a tidy frame of layer, source, target, weight, start, end for `tc.History(ties=...)`.

Public names are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
