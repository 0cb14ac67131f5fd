"""Maps at a date: what happened, what worlds did, and who sparked whom. Public names are listed in `__init__.pyi`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
