"""Memory: what a schedule needs at each step, and how it is kept within a limit."""
