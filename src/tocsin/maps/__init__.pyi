from .arcs import arc_map as arc_map
from .map import border_map as border_map
from .map import difference_map as difference_map
from .map import map_at as map_at
