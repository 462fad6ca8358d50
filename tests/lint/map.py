"""src/README.md is a map of the floors: what it names is there, and what is there is named.

A file is named by its path without the ending; a name also stands for the rooms behind it, as
ports/http_curl does for ports/http_curl_loop.c, and ctl/verb_* for a family.
"""

import fnmatch
import re

from source import read

NAME = re.compile(r"`((?:base|engine|ports|daemon|ctl)/[\w*]+)(?:\.[ch])?`")


def check(tree):
    readme = tree.root / "src" / "README.md"
    if not readme.is_file():
        yield "src/README.md", 1, "there is no map of the floors"
        return
    stems = {path.relative_to(tree.root / "src").with_suffix("").as_posix() for path in tree.c_files("src")}
    named = {}
    for number, line in enumerate(read(readme).splitlines(), 1):
        for name in NAME.findall(line):
            named.setdefault(name, number)
    for name, number in sorted(named.items()):
        if not fnmatch.filter(stems, name):
            yield "src/README.md", number, f"{name} is not a file of src/"
    for stem in sorted(stems):
        if not any(fnmatch.fnmatch(stem, name) or stem.startswith(f"{name}_") for name in named):
            yield "src/README.md", 1, f"does not name {stem}"
