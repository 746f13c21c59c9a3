"""Reports: plans, layers, plugins and checks as tables and as JSON."""
