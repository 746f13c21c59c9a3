"""PyTorch: plans as functions of its tensors, and the routines that stand for several steps."""
