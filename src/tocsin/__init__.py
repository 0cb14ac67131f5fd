"""Tocsin: a laboratory for how revolutions spread between countries.

Record a wave with its sources, fit what drove it, replay it, change one thing, and see what would have
happened. The public names are listed in `__init__.pyi`; each is imported when it is first used.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
