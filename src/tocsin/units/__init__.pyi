from .crosswalk import Crosswalk as Crosswalk
from .crosswalk import crosswalk as crosswalk
from .members import members as members
from .resolve import resolve as resolve
from .table import states as states
