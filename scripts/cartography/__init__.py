"""Old borders from present-day outlines: cutting, joining, writing and measuring (shapely is needed)."""
