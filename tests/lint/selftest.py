#!/usr/bin/python3
"""Each rule against a small tree with planted violations, and against the same tree without them."""

import importlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from source import Tree, blank, functions  # noqa: E402

CLEAN = {
    ".clang-format": "BasedOnStyle: LLVM\nIndentWidth: 4\n",
    "src/base/heap.h": "/* A heap. */\n#pragma once\n\n#include <stddef.h>\n\nint heap_pop(void);\n",
    "src/base/heap.c": '/* How it works. */\n#include "base/heap.h"\n\nint heap_pop(void) { return 0; }\n',
    "src/engine/plan.c": '/* How. */\n#include "base/heap.h"\n',
    "src/engine/ports.h": "/* Contracts. */\n#pragma once\n",
    "src/ports/http_curl.c": '/* How. */\n#include "engine/ports.h"\n\n#include <curl/curl.h>\n',
    "src/daemon/main.c": '/* How. */\n#include "engine/ports.h"\n',
    "src/README.md": "| heap | `base/heap` |\n| `engine/plan`, `engine/ports.h`, `ports/http_curl`, `daemon/main` |\n",
    "tests/unit/test_heap.c": "/* Heap. */\nint main(void) { return 0; }\n",
    "tests/integration/test_start.py": "def test_start():\n    assert True\n",
    "tests/fuzz/fuzz_cron.c": "/* Cron. */\nint LLVMFuzzerTestOneInput(void) { return 0; }\n",
    "tests/fuzz/corpus/cron/one": "* * * * *",
}


class Planted(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="lint-selftest-")).resolve()
        self.addCleanup(shutil.rmtree, self.root)
        self.build = self.root / "build"
        for name, text in CLEAN.items():
            self.plant(name, text)
        self.registered("unit", "tests/unit/test_heap.c")
        self.registered("fuzz-corpus", "tests/fuzz/fuzz_cron.c")

    def plant(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def append(self, name, text):
        path = self.root / name
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    def registered(self, suite, *names):
        """What meson would write about a test made from these files."""
        info = self.build / "meson-info"
        info.mkdir(parents=True, exist_ok=True)
        targets, tests = info / "intro-targets.json", info / "intro-tests.json"
        all_targets = json.loads(targets.read_text()) if targets.exists() else []
        all_tests = json.loads(tests.read_text()) if tests.exists() else []
        program = str(self.build / pathlib.Path(names[0]).stem)
        sources = [str(self.root / name) for name in names]
        all_targets.append({"filename": [program], "target_sources": [{"sources": sources}]})
        all_tests.append({"name": names[0], "suite": [f"crsbackupd:{suite}"], "cmd": [program]})
        targets.write_text(json.dumps(all_targets))
        tests.write_text(json.dumps(all_tests))

    def found(self, rule):
        tree = Tree(self.root, self.build)
        return [f"{path}:{line}: {message}" for path, line, message in importlib.import_module(rule).check(tree)]

    def assert_finds(self, rule, *parts):
        """Exactly one finding, and it holds all the parts."""
        found = self.found(rule)
        self.assertEqual(len(found), 1, found)
        for part in parts:
            self.assertIn(part, found[0])


class CleanTree(Planted):
    def test_nothing_is_found(self):
        for rule in ("includes", "banned", "size", "registered", "layout", "map", "style", "words", "events", "manual"):
            self.assertEqual(self.found(rule), [], rule)


class Includes(Planted):
    def each(self, cases):
        for name, include, part in cases:
            with self.subTest(name=name, include=include):
                self.plant(name, f"/* How. */\n#include {include}\n")
                self.assert_finds("includes", f"{name}:2", part)
                (self.root / name).unlink()

    def test_floors(self):
        self.plant("src/ports/zoneinfo.h", "/* . */\n")
        self.plant("src/daemon/loop.h", "/* . */\n")
        self.plant("src/ctl/verbs.h", "/* . */\n")
        self.plant("src/engine/engine.h", "/* . */\n")
        self.each([
            ("src/base/zone.c", '"engine/ports.h"', "base must not"),
            ("src/base/zone.c", '"ports/zoneinfo.h"', "base must not"),
            ("src/engine/attempt.c", '"ports/zoneinfo.h"', "engine must not"),
            ("src/ports/zoneinfo.c", '"engine/engine.h"', "ports must not"),
            ("src/ports/zoneinfo.c", '"daemon/loop.h"', "ports must not"),
            ("src/daemon/check.c", '"ctl/verbs.h"', "daemon must not"),
            ("src/ctl/next.c", '"daemon/loop.h"', "ctl must not"),
            ("src/base/zone.c", '"heap.h"', "not a file below src/"),
            ("src/base/zone.c", "HEADER", "computed"),
        ])  # fmt: skip

    def test_libraries(self):
        self.each([
            ("src/base/tc3.c", "<openssl/evp.h>", "base/digest.c"),
            ("src/base/reply.c", "<cjson/cJSON.h>", "base/json.c"),
            ("src/ctl/verb_status.c", "<cjson/cJSON.h>", "base/json.c"),
            ("src/base/civil.c", "<time.h>", "clock_system"),
            ("src/base/civil.c", "<unistd.h>", "not for base"),
            ("src/engine/plan2.c", "<uv.h>", "daemon"),
            ("src/engine/plan2.c", "<pthread.h>", "not for engine"),
            ("src/ports/config_yaml.c", "<curl/curl.h>", "http_curl"),
            ("src/ports/http_curl.c", "<openssl/x509.h>", "ports/certificates.c"),
            ("src/ports/http_curl_pool.c", "<yaml.h>", "config_yaml"),
            ("src/ports/log_stderr.c", "<syslog.h>", "log_syslog"),
            ("src/daemon/check.c", "<curl/curl.h>", "http_curl"),
        ])  # fmt: skip

    def test_owners_and_comments_pass(self):
        self.plant("src/base/digest.c", "/* . */\n#include <openssl/evp.h>\n")
        self.plant("src/base/json.c", '/* #include "ports/x.h" */\n#include <cjson/cJSON.h>\n')
        self.assertEqual(self.found("includes"), [])

    def test_a_file_beside_the_floors(self):
        self.plant("src/util/more.c", "/* . */\n")
        self.assert_finds("includes", "not on a floor")


class Events(Planted):
    ID = "0123456789abcdef0123456789abcdef"

    def setUp(self):
        super().setUp()
        self.plant("src/engine/report.c", '/* . */\nvoid f(void)\n{\n    g(event_make(up ? A : B, up ? "up" : "down"), "key");\n}\n')
        self.identities(("up", self.ID), ("down", self.ID[::-1]))

    def identities(self, *rows):
        self.plant("src/ports/log_journal_ids.c", "/* . */\n" + "".join(f'    {{"{name}", "{value}"}},\n' for name, value in rows))
        lines = "".join(f"| `{value}` | {name} |\n" for name, value in rows)
        self.plant("docs/log-events.md", f"| up, down | err | says (when) | host |\n\n{lines}")

    def test_all_told(self):
        self.assertEqual(self.found("events"), [])

    def test_an_event_that_nobody_knows(self):
        self.append("src/engine/report.c", 'void h(void)\n{\n    of_run(f(A, "x"), "sideways", "y");\n}\n')
        found = self.found("events")
        self.assertEqual(len(found), 2, found)
        self.assertTrue(all("report.c:8: the event sideways" in line for line in found), found)

    def test_another_level(self):
        self.plant("src/engine/report.c", '/* . */\nvoid f(void)\n{\n    event_make(up ? EVENT_ERR : EVENT_NOTICE, up ? "up" : "down");\n}\n')
        self.assert_finds("events", "report.c:4", "down is notice here, and err")

    def test_a_field_that_nobody_knows(self):
        self.append("src/engine/report.c", 'void h(void)\n{\n    event_text(&e, "host", x);\n    event_number(&e, "speed", 1);\n}\n')
        self.assert_finds("events", "report.c:9", "the field speed is not told of")

    def test_one_that_is_gone(self):
        self.identities(("up", self.ID), ("down", self.ID[::-1]), ("gone", self.ID[:-1] + "0"))
        self.assert_finds("events", "log_journal_ids.c:4", "no event gone")

    def test_an_identity_of_another(self):
        self.identities(("up", self.ID), ("down", self.ID))
        self.assertEqual(len(self.found("events")), 2)

    def test_the_document_says_otherwise(self):
        self.plant("docs/log-events.md", f"| up, down | err | . | host |\n| `{self.ID}` | up |\n| `{self.ID}` | down |\n")
        self.assert_finds("events", "log_journal_ids.c:3", "no line")


class Manual(Planted):
    SCHEMA = (
        '/* . */\nstatic const struct word targets[] = {\n    {"auto", AUTO, false}, {0},\n};\n'
        'static const struct rule log_rules[] = {\n    {.key = "target", .kind = RULE_WORD, .words = targets},\n};\n'
        'static const struct section log_section = {"log.", "log", log_rules, COUNT(log_rules)};\n'
        'static const struct rule file_rules[] = {\n    [FILE_REGION] = {.key = "region", .kind = RULE_REGION},\n'
        '    {.key = "log", .section = &log_section},\n};\n'
        'const struct section section_file = {"", "the file", file_rules, COUNT(file_rules)};\n'
    )
    PAGE = "# THE FILE\n\n*region*:\n\tWhere.\n\n*log.target*:\n\tauto.\n"
    CTL = '/* . */\nconst struct verb verb_run = {\n    .name = "run",\n};\nstatic const char *const o[] = {"--wait", "-c"};\n'

    def setUp(self):
        super().setUp()
        self.plant("src/ports/config_schema.c", self.SCHEMA)
        self.plant("docs/man/crsbackupd.yaml.5.scd", self.PAGE)
        self.plant("conf/crsbackupd.yaml", "region: ap-x\n#log: {target: auto}\n#proxy: none\n")
        self.plant("src/ctl/verb_run.c", self.CTL)
        self.plant("docs/man/crsbackupctl.1.scd", "*run* [*--wait*] [*-c* _FILE_]\n")

    def test_all_told(self):
        self.assertEqual(self.found("manual"), [])

    def test_a_key_that_is_not_told_of(self):
        self.plant("src/ports/config_schema.c", self.SCHEMA.replace("    {.key = \"log\"", '    {.key = "proxy", .kind = P},\n    {.key = "log"'))
        self.assert_finds("manual", "yaml.5.scd:1", "does not tell of proxy below THE FILE")

    def test_a_key_that_the_example_does_not_have(self):
        self.plant("conf/crsbackupd.yaml", "region: ap-x\nlog: {level: info}\n")
        self.assert_finds("manual", "conf/crsbackupd.yaml:1", "does not show log.target")

    def test_a_word_that_is_not_told_of(self):
        self.plant("src/ports/config_schema.c", self.SCHEMA.replace('{"auto", AUTO, false},', '{"auto", AUTO, false}, {"syslog", S, false},'))
        self.assert_finds("manual", "yaml.5.scd:6", "log.target does not tell of syslog")

    def test_a_key_that_is_gone(self):
        self.append("docs/man/crsbackupd.yaml.5.scd", "\n# A SCHEDULE\n\n*region*:\n\tWhere.\n")
        self.assert_finds("manual", "yaml.5.scd:11", "no key region in a schedule")

    def test_verbs_and_options(self):
        self.plant("src/ctl/verb_run.c", self.CTL.replace("--wait", "--then").replace('"run"', '"stop"'))
        found = self.found("manual")
        self.assertEqual(len(found), 2, found)
        self.assertTrue("--then" in found[0] and "verb stop" in found[1], found)


class Symbols(Planted):
    def archive(self, floor, member, code):
        directory = self.build / "src" / floor
        directory.mkdir(parents=True, exist_ok=True)
        source, archive = directory / member, directory / f"lib{floor}.a"
        source.write_text("#include <stddef.h>\n" + code)
        made = directory / f"{member}.o"
        subprocess.run(["cc", "-w", "-O0", "-c", "-o", made, source], check=True)
        subprocess.run(["ar", "rc", archive, made], check=True)

    def setUp(self):
        super().setUp()
        self.archive("base", "heap.c", "void *malloc(size_t); void *heap(void) { return malloc(1); }")
        self.archive("engine", "plan.c", "void *heap(void); void *plan(void) { return heap(); }")

    def test_pure_floors_pass(self):
        self.assertEqual(self.found("symbols"), [])

    def test_each_impure_call(self):
        for number, name in enumerate(
            ("clock_gettime", "time", "gettimeofday", "getenv", "secure_getenv", "uv_now", "curl_easy_init",
             "syslog", "setenv", "localtime_r", "gmtime", "mktime", "sqlite3_open", "yaml_parser_parse",
             "fopen", "open", "socket", "printf", "stdout", "random", "pthread_create")
        ):  # fmt: skip
            floor = ("base", "engine")[number % 2]
            with self.subTest(name=name):
                self.archive(floor, "planted.c", f"extern int {name}(); int planted(void) {{ return {name}(); }}")
                self.assert_finds("symbols", f"src/{floor}", f"planted.c.o calls {name}")
                self.archive(floor, "planted.c", "")

    def test_a_library_outside_its_file(self):
        self.archive("base", "digest.c", "int EVP_sha256(); int digest(void) { return EVP_sha256(); }")
        self.archive("base", "json.c", "int cJSON_Parse(); int json(void) { return cJSON_Parse(); }")
        self.assertEqual(self.found("symbols"), [])
        self.archive("base", "tc3.c", "int EVP_sha512(); int tc3(void) { return EVP_sha512(); }")
        self.assert_finds("symbols", "tc3.c.o calls EVP_sha512")
        self.archive("base", "tc3.c", "")
        self.archive("base", "reply.c", "int cJSON_Delete(); int reply(void) { return cJSON_Delete(); }")
        self.assert_finds("symbols", "reply.c.o calls cJSON_Delete")

    def test_base_calls_nothing_of_the_engine(self):
        self.archive("base", "planted.c", "int plan(); int planted(void) { return plan(); }")
        self.assert_finds("symbols", "planted.c.o calls plan")

    def test_a_missing_archive_is_no_pass(self):
        (self.build / "src/base/libbase.a").unlink()
        self.assertTrue(any("missing" in line for line in self.found("symbols")))


class Banned(Planted):
    def test_each_word(self):
        from banned import BANNED

        for word in BANNED:
            with self.subTest(word=word):
                self.plant("src/base/text.c", f"/* How. */\nvoid f(void)\n{{\n    (void){word}(0);\n}}\n")
                self.assert_finds("banned", "src/base/text.c:4", f"{word}: ")

    def test_by_pointer_and_macro(self):
        self.plant("src/base/text.c", "/* How. */\n#define RUN system\n")
        self.assert_finds("banned", "text.c:2")

    def test_not_in_comments_strings_members_or_other_words(self):
        self.plant(
            "src/base/text.c",
            "/* never sprintf(x) */\nconst char *s = \"system(\\\"gets(\"; // rand()\n"
            "int f(struct x *x) { return x->system + x->y.random + my_strcpy(1) + rand_seed; }\n",
        )
        self.assertEqual(self.found("banned"), [])


class Size(Planted):
    def body(self, lines):
        return "static int long_one(int a)\n{\n" + "    a++; /* } */\n" * (lines - 3) + "}\n"

    def test_function(self):
        self.append("src/base/heap.c", self.body(70))
        self.assertEqual(self.found("size"), [])
        self.append("src/base/heap.c", self.body(71))
        self.assert_finds("size", "heap.c:75", "long_one() has 71 lines")

    def test_file(self):
        self.append("src/base/heap.c", "int x;\n" * 697)
        self.assert_finds("size", "heap.c:1", "701 lines")

    def test_tables_are_no_functions(self):
        self.append("src/base/heap.c", "static const int t[] = {\n" + "    F(1),\n" * 90 + "};\n")
        self.append("src/base/heap.c", "struct s {\n" + "    int (*f)(int);\n" * 90 + "};\n")
        self.assertEqual(self.found("size"), [])

    def test_tables_inside_functions(self):
        table = "    static const struct t cases[] = {\n" + "        {1, {2, 3}},\n" * 90 + "    };\n"
        self.append("src/base/heap.c", "static int long_one(int a)\n{\n" + table + "    a++;\n" * 65 + "}\n")
        self.assertEqual(self.found("size"), [])
        self.append("src/base/heap.c", "static int long_two(int a)\n{\n" + table + "    a++;\n" * 66 + "}\n")
        self.assert_finds("size", "long_two() has 71 lines")

    def test_scanner(self):
        text = (
            "#define M(x) {\n"
            "static const char *s = \"}\";\n"
            "struct a { int b; };\n"
            "int first(const char *x,\n          int (*f)(int)) __attribute__((pure))\n{\n  if (x) { return '{'; }\n}\n"
            "enum e { A, B };\n"
            "void second(void) {}\n"
        )
        self.assertEqual(functions(text), [("first", 4, 8, 0), ("second", 10, 10, 0)])

    def test_blank_keeps_lines(self):
        text = "a /* b\n c */ \"d\\\"e\" 'f' // g\nh"
        self.assertEqual(blank(text), "a     \n      \"    \" ' '     \nh")


class Registered(Planted):
    def test_unit_test_without_a_meson_test(self):
        self.plant("tests/unit/test_zone.c", "/* . */\nint main(void) { return 0; }\n")
        self.assert_finds("registered", "tests/unit/test_zone.c", "no test of meson")

    def test_fuzz_target_without_replay(self):
        self.plant("tests/fuzz/fuzz_zone.c", "/* . */\nint LLVMFuzzerTestOneInput(void) { return 0; }\n")
        self.plant("tests/fuzz/corpus/zone/one", "x")
        self.assert_finds("registered", "fuzz_zone.c", "no test of meson")
        self.registered("unit", "tests/fuzz/fuzz_zone.c")
        self.assert_finds("registered", "fuzz_zone.c", "not replayed")

    def test_fuzz_target_without_corpus(self):
        (self.root / "tests/fuzz/corpus/cron/one").unlink()
        self.assert_finds("registered", "fuzz_cron.c", "no inputs")

    def test_suite_that_nobody_runs(self):
        self.plant("tests/more/odd.c", "/* . */\nint main(void) { return 0; }\n")
        self.registered("odd", "tests/more/odd.c")
        self.assert_finds("registered", "no suite of tests/run")

    def test_pytest_files(self):
        for name, text, part in (
            ("tests/integration/start.py", "def test_it():\n    pass\n", "does not collect"),
            ("tests/integration/deep/test_it.py", "def test_it():\n    pass\n", "does not collect"),
            ("tests/test_it.py", "def test_it():\n    pass\n", "does not collect"),
            ("tests/integration/test_none.py", "def helper():\n    pass\n", "finds none"),
        ):
            with self.subTest(name=name):
                self.plant(name, text)
                self.assert_finds("registered", name, part)
                (self.root / name).unlink()


class Layout(Planted):
    def test_a_file_that_would_change(self):
        self.append("src/base/heap.c", "int  f( void ){return 1;}\n\n\n\nint  g;\n")
        self.assert_finds("layout", "src/base/heap.c:")


class Map(Planted):
    def test_a_name_without_a_file(self):
        self.append("src/README.md", "\n`base/gone`\n")
        self.assert_finds("map", "src/README.md:4", "base/gone is not a file")

    def test_a_file_without_a_name(self):
        self.plant("src/base/zone.c", "/* . */\n")
        self.plant("src/ports/http_curl_loop.c", "/* . */\n")
        self.assert_finds("map", "does not name base/zone")

    def test_a_family(self):
        self.plant("src/ctl/verb_sign.c", "/* . */\n")
        self.append("src/README.md", "\n`ctl/verb_*`\n")
        self.assertEqual(self.found("map"), [])
        self.append("src/README.md", "\n`ctl/page_*`\n")
        self.assert_finds("map", "ctl/page_* is not a file")

    def test_no_map(self):
        (self.root / "src/README.md").unlink()
        self.assert_finds("map", "no map")


class Style(Planted):
    def test_header(self):
        self.plant("src/base/one.h", "#pragma once\n")
        self.assert_finds("style", "one.h:1", "no comment")
        self.plant("src/base/one.h", "/* One. */\n#include <stddef.h>\n#pragma once\n")
        self.assert_finds("style", "one.h:1", "pragma once")

    def test_comment_and_typedef(self):
        self.append("src/base/heap.c", 'const char *url = "http://x"; // why\n')
        self.assert_finds("style", "heap.c:5", "//")
        self.plant("src/base/heap.c", "/* . */\ntypedef int (*call)(void);\ntypedef struct heap heap_t;\n")
        self.assert_finds("style", "heap.c:3", "typedef")


class Words(Planted):
    def test_each(self):
        for word in ("TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK", "for" " now", "place" "holder", "Dum" "my",
                     "/ho" "me/ann/x", "/wo" "rk/x", '"/ro' 'ot/x"'):  # fmt: skip
            with self.subTest(word=word):
                self.plant("doc/guide.md", f"One\n\nand {word} here\n")
                self.assert_finds("words", "doc/guide.md:3")

    def test_others_pass(self):
        self.plant("doc/guide.md", "mkstemp(aXXXXXX) ~/.x $D/ho" "me/ src/wo" "rk/ tod" "o hackle\n")
        self.plant("tests/data/facts.txt", "TO" "DO\n")
        self.assertEqual(self.found("words"), [])


class Program(Planted):
    def test_exit_codes(self):
        def lint(*arguments):
            command = ["/usr/bin/python3", str(HERE / "lint.py"), "--root", str(self.root), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=False)

        self.assertEqual(lint("includes", "words").returncode, 0)
        self.plant("src/base/zone.c", "/* . */\n#include <time.h>\n")
        done = lint("includes")
        self.assertEqual((done.returncode, done.stdout.count("\n")), (1, 1))
        self.assertIn("src/base/zone.c:2: <time.h>", done.stdout)
        self.assertEqual(lint("no-such-rule").returncode, 2)
        self.assertEqual(lint("symbols").returncode, 2)


if __name__ == "__main__":
    unittest.main()
