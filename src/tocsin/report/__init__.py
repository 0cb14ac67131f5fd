"""Pages and tables of results, and the main job that makes them all."""
