"""``python -m tensorbp``: the command line."""

from tensorbp.cli import main

if __name__ == "__main__":
    main()
