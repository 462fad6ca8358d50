"""The tree as the rules see it, and C source without its comments and strings."""

import pathlib
import re

SKIPPED_DIRECTORIES = re.compile(r"^(build.*|\.git|\.cache|__pycache__|\.pytest_cache)$")


class Tree:
    """A checkout and, for the rules that look at it, a build directory of it."""

    def __init__(self, root, build=None):
        self.root = pathlib.Path(root).resolve()
        self.build = pathlib.Path(build).resolve() if build else None

    def files(self, *tops):
        """Files below the named directories (all of the tree without a name), in a fixed order."""
        stack = [self.root / top for top in tops] if tops else [self.root]
        found = []
        while stack:
            directory = stack.pop()
            if not directory.is_dir():
                continue
            for entry in directory.iterdir():
                if entry.is_symlink():
                    continue
                if entry.is_dir():
                    if not SKIPPED_DIRECTORIES.match(entry.name):
                        stack.append(entry)
                elif entry.name != ".git":  # a file in a linked worktree
                    found.append(entry)
        return sorted(found)

    def c_files(self, *tops):
        return [path for path in self.files(*tops) if path.suffix in (".c", ".h")]

    def name(self, path):
        return path.relative_to(self.root).as_posix()


def read(path):
    return path.read_text(encoding="utf-8", errors="surrogateescape")


# In C the first of these that starts at a place decides what it is; all else is code.
LEXICAL = re.compile(
    r"""/\*.*?(?:\*/|\Z)              # block comment
      | //(?:\\\n|[^\n])*             # line comment
      | "(?:\\.|[^"\\\n])*(?:"|(?=\n)|\Z)
      | '(?:\\.|[^'\\\n])*(?:'|(?=\n)|\Z)""",
    re.VERBOSE | re.DOTALL,
)


def blank(text, strings=True, comments=True):
    """The text with comments and the insides of strings as blanks; lines and columns stay."""

    def replace(match):
        piece = match.group(0)
        is_comment = piece.startswith("/")
        if not (comments if is_comment else strings):
            return piece
        blanked = re.sub(r"[^\n]", " ", piece)
        if is_comment:
            return blanked
        return piece[0] + blanked[1:-1] + piece[0] if len(piece) > 1 else blanked

    return LEXICAL.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def without_directives(code):
    """Blanks preprocessor lines, continued ones included: their braces need not pair."""
    return re.sub(
        r"^[ \t]*#(?:\\\n|[^\n])*",
        lambda match: re.sub(r"[^\n]", " ", match.group(0)),
        code,
        flags=re.MULTILINE,
    )


def functions(text):
    """(name, first line, last line, lines inside initialisers) of each function with a body."""
    code = without_directives(blank(text))
    found = []
    depth = 0
    start = 0  # where the declaration at the top level began
    name = None
    table = None  # (depth, offset) of the outermost initialiser that is open in a function
    table_lines = 0
    for match in re.finditer(r"[{};]", code):
        mark, at = match.group(0), match.start()
        if mark == "{":
            if depth == 0:
                name, table, table_lines = function_name(code[start:at]), None, 0
            elif table is None and re.search(r"=\s*$", code[max(0, at - 80) : at]):
                table = (depth, at)
            depth += 1
        elif mark == "}":
            depth = max(0, depth - 1)
            if table is not None and table[0] == depth:
                table_lines += max(0, code.count("\n", table[1], at) - 1)
                table = None
            if depth == 0 and name is not None:
                begin = start + len(code[start:at]) - len(code[start:at].lstrip())
                found.append((name, line_of(code, begin), line_of(code, at), table_lines))
                start, name = at + 1, None
        elif depth == 0:
            start = at + 1
    return found


def function_name(head):
    """The name that a top-level text before '{' defines a function of, or None for the others."""
    head = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", head, flags=re.DOTALL)
    if "=" in head or re.match(r"\s*typedef\b", head):
        return None
    match = re.search(r"([A-Za-z_]\w*)\s*\(", head)
    if not match or not re.search(r"\)[\s\w]*$", head):
        return None
    return match.group(1)
