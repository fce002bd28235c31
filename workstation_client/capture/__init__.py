"""Taking pictures of one application's windows. One module per window system behind `capture.base`."""
