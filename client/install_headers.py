#!/usr/bin/env python3
"""Installs the headers that an application needs: those it includes, and what they include.

    install_headers.py SOURCE_ROOT INCLUDE_DIR

In the source a header is included by its path from the root; installed, all lie below one folder and are included as
<atoll/...>. Meson runs this at install, with the destination in the environment."""

import os
import re
import sys

PUBLIC = ["client/client.h", "client/handles.h", "client/session.h", "crdt/base/errc_name.h"]
# Folder in the source -> folder below atoll/. Nothing else may be needed: what is behind the library is its own affair.
FOLDERS = {"client": "", "crdt/base": "base/", "region/core": "", "topology": ""}
INCLUDE = re.compile(r'^#include "(.*)"$', re.M)
SYSTEM_INCLUDE = re.compile(r"^#include <(.*)>$", re.M)
STANDARD = re.compile(r"[a-z_0-9]+")


def installed_name(header):
    folder, name = os.path.split(header)
    if folder not in FOLDERS:
        sys.exit("{}: found in what an installed header includes, expected none outside {}".format(
            header, ", ".join(FOLDERS)))
    return FOLDERS[folder] + name


def closure(root):
    """Path -> text, of all that is to be installed."""
    texts, open_ones = {}, list(PUBLIC)
    while open_ones:
        header = open_ones.pop()
        if header in texts:
            continue
        with open(os.path.join(root, header), encoding="utf-8") as file:
            texts[header] = file.read()
        for library in SYSTEM_INCLUDE.findall(texts[header]):
            if not STANDARD.fullmatch(library):
                sys.exit("{}: found <{}>, expected an installed header to need the standard library only".format(
                    header, library))
        open_ones += INCLUDE.findall(texts[header])
    return texts


def installed_text(text):
    text = INCLUDE.sub(lambda match: "#include <atoll/{}>".format(installed_name(match.group(1))), text)
    # The one macro gets a name that no application has.
    return re.sub(r"\bensure(_slow)?(?=\()", r"ATOLL_ENSURE\1", text)


def main():
    root, include_dir = sys.argv[1:3]
    if not os.path.isabs(include_dir):
        include_dir = os.path.join(os.environ["MESON_INSTALL_PREFIX"], include_dir)
    target = os.environ.get("DESTDIR", "") + include_dir
    for header, text in sorted(closure(root).items()):
        path = os.path.join(target, installed_name(header))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(installed_text(text))


if __name__ == "__main__":
    main()
