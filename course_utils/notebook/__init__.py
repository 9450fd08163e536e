"""What a notebook shows or asks for: plots, diagrams, the map, camera, person, self-check."""
