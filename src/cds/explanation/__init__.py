"""One decision laid out for a reader: criteria, timeline, what would change the answer."""
