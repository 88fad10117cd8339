"""What came of the measurements, for people: as text, and as a page with plots."""
