"""Train a small GPT, that of character_gpt.yaml, on the characters of a licence.

Run it with ``python train_character_gpt.py``; it takes about 15 seconds. Its logits are 0 at
first, so the loss starts at ln 76, that of a guess among 76 characters. It falls below 1.4 nats.
"""

from __future__ import annotations

from pathlib import Path

from characters import read_license, report

from tensorbp import load

RATE = 0.01
STEPS = 900


def main() -> None:
    text = read_license()
    path = Path(__file__).parent / "character_gpt.yaml"
    report(load(path, dims={"vocabulary": len(text.alphabet)}), text, RATE, STEPS)


if __name__ == "__main__":
    main()
