"""Draws the entries of model_prices_sample.json from the whole list: 200 of seed 200, verbatim.

    python3 tests/prices/sample.py model_prices.json tests/prices/model_prices_sample.json
"""

import json
import random
import sys

# Numbers stay the text that they are.
keep = {"parse_float": lambda text: Text(text), "parse_int": lambda text: Text(text)}


class Text(float):
    """A number that prints as it was written."""

    def __new__(cls, text):
        self = float.__new__(cls, text)
        self.text = text
        return self

    def __repr__(self):
        return self.text


def dump(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return value.text if isinstance(value, Text) else json.dumps(value)


whole = json.load(open(sys.argv[1]), **keep)
names = sorted(set(whole) - {"sample_spec", "fallback_generalizations"})
drawn = random.Random(200).sample(names, 200)
with open(sys.argv[2], "w") as out:
    out.write("{\n" + ",\n".join(f"{json.dumps(n)}:{dump(whole[n])}" for n in sorted(drawn)) + "\n}\n")
