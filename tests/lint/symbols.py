"""What the pure floors call outside themselves, read from the symbol tables of their archives.

An allowed list and not a forbidden one: a clock, the environment or I/O has too many names.
"""

import re
import subprocess

# Functions of bytes and numbers alone. Add only what reads no clock, no environment, no file.
PURE = set("""
    abort bsearch calloc explicit_bzero free malloc malloc_usable_size qsort realloc reallocarray
    memchr memcmp memcpy memmem memmove memrchr memset
    snprintf vsnprintf sscanf strtod strtol strtoll strtoul strtoull
    strcasecmp strchr strchrnul strcmp strcspn strdup strlen strncasecmp strncmp strndup strnlen strerrordesc_np
    strpbrk strrchr strspn strstr stpcpy
    ceil exp floor fmod llround log lround pow round sqrt trunc
    __assert_fail __errno_location __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc
    __stack_chk_fail _GLOBAL_OFFSET_TABLE_
""".split())

# Compilers and their sanitizers add these by themselves.
INSERTED = re.compile(r"^(__(asan|ubsan|tsan|msan|lsan|sanitizer|sancov|gcov)_|__u?(div|mod|mul)[tdx][fi]\d$|__start___san|__stop___san)")

# A library's functions, and the objects that may call them.
LIBRARIES = (
    (re.compile(r"^cJSON_"), re.compile(r"^json\.c\.o$")),
    (re.compile(r"^(EVP|HMAC|SHA256|OSSL|OPENSSL|CRYPTO|ERR)_"), re.compile(r"^digest\.c\.o$")),
)

ARCHIVES = {"base": ("base",), "engine": ("engine", "base")}


def table(archive):
    """(defined names, [(member, undefined name)]) of an archive."""
    done = subprocess.run(["nm", "-A", "--no-sort", str(archive)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"nm {archive}: {done.stderr.strip()}")
    defined, undefined = set(), []
    for line in done.stdout.splitlines():
        place, _, rest = line.rpartition(":")
        fields = rest.split()
        member = re.split(r"[:/]", place)[-1].removesuffix(":")
        member = re.sub(r"^.*\.p_|^.*\.a\.p/", "", member)
        if not fields:
            continue
        kind, name = fields[-2], fields[-1]
        if kind in "Uwv":
            undefined.append((member, name))
        else:
            defined.add(name)
    return defined, undefined


def plain(name):
    """The name in the source: without a version, a fortified or a standard's variant."""
    name = name.split("@")[0]
    name = re.sub(r"^__(\w+)_chk$", r"\1", name)
    return re.sub(r"^__isoc\d\d_", "", name)


def problem(member, name):
    for functions, owner in LIBRARIES:
        if functions.match(name):
            return None if owner.match(member) else f"{member} calls {name}, which is not its library"
    if INSERTED.match(name) or name in PURE or plain(name) in PURE:
        return None
    return f"{member} calls {name}: not a pure function known to tests/lint/symbols.py"


def check(tree):
    tables = {}
    for floor in ARCHIVES:
        archive = tree.build / "src" / floor / f"lib{floor}.a"
        if archive.is_file():
            tables[floor] = table(archive)
        elif any(path.suffix == ".c" for path in tree.files(f"src/{floor}")):
            yield f"src/{floor}", 1, f"{archive} is missing: build first"
    for floor, (_, undefined) in tables.items():
        ours = set().union(*(tables[f][0] for f in ARCHIVES[floor] if f in tables))
        for member, name in sorted(set(undefined)):
            if name not in ours:
                message = problem(member, name)
                if message:
                    yield f"src/{floor}", 1, message
