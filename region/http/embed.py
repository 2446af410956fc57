#!/usr/bin/env python3
"""Makes a file a constant of the program: a source for Meson, which runs this when the file changes.

    embed.py FILE SOURCE"""

import sys

PIECE = 4096  # letters: the pieces of a literal are joined
DELIMITER = "file"
SOURCE = """#include "region/http/openapi.h"

namespace atolldb::http {{

constexpr char kText[] =
{};
const BytesView kOpenApi(kText, sizeof kText - 1);

}}  // namespace atolldb::http
"""


def main(path, source):
    with open(path) as file:
        text = file.read()
    if ")" + DELIMITER in text:
        sys.exit("{}: found ){}, expected a text without it".format(path, DELIMITER))
    pieces = [text[i:i + PIECE] for i in range(0, len(text), PIECE)]
    with open(source, "w") as file:
        file.write(SOURCE.format("\n".join('    R"{0}({1}){0}"'.format(DELIMITER, piece) for piece in pieces)))


if __name__ == "__main__":
    main(*sys.argv[1:])
