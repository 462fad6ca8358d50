"""Functions that fit a screen, files that fit a sitting. The house asks for 60 and 400 lines; an alarm
goes off at these. Tables of cases inside a function are data and do not count; tests may be longer.
"""

from source import functions, read

FUNCTION_LINES = 70
FILE_LINES = {"src": 700, "tests": 1000}


def check(tree):
    for top, most in FILE_LINES.items():
        for path in tree.c_files(top):
            text = read(path)
            lines = text.count("\n")
            if lines > most:
                yield tree.name(path), 1, f"{lines} lines in a file; at most {most}"
            for name, first, last, table in functions(text):
                length = last - first + 1 - table
                if length > FUNCTION_LINES:
                    yield tree.name(path), first, f"{name}() has {length} lines; at most {FUNCTION_LINES}"
