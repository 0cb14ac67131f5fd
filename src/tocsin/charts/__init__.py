"""Pictures of results: each a function that takes a result and returns an Altair chart.

A chart has a title, units, a source line and a text alternative; `save_chart` writes it as SVG, PNG or HTML that needs
no network. Public names are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
