"""Plans as functions of arrays, for libraries whose arrays are not written into."""
