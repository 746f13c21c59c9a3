"""JAX: plans as functions of its arrays, compiled whole."""
