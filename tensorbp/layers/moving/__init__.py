"""Numbers that are moved: shapes, parts and joins, and what labels name."""
