"""Functions that fit a screen, files that fit a sitting. The house asks for 60 and 400 lines; an alarm
goes off at these."""

from source import functions, read

FUNCTION_LINES = 70
FILE_LINES = 700


def check(tree):
    for path in tree.c_files("src", "tests"):
        text = read(path)
        lines = text.count("\n")
        if lines > FILE_LINES:
            yield tree.name(path), 1, f"{lines} lines in a file; at most {FILE_LINES}"
        for name, first, last in functions(text):
            length = last - first + 1
            if length > FUNCTION_LINES:
                yield tree.name(path), first, f"{name}() has {length} lines; at most {FUNCTION_LINES}"
