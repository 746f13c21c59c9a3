"""The built-in layers, one file a family; they come in through the hooks, like any plugin's."""
