/*
 * The JSON reader: what is JSON and what is not, every truncation, members, strings and whole
 * numbers. Texts are handed over in blocks of exactly their size, so that a sanitizer sees a read
 * behind them.
 */
#include "unit.h"

#include "base/json.h"

#include <errno.h>
#include <stdlib.h>

static struct errtext err;

static int read_exactly(const char *text, size_t length, struct json *ret, char **ret_block)
{
    char *block = malloc(length > 0 ? length : 1);
    assert_non_null(block);
    memcpy(block, text, length);
    *ret_block = block;
    err.text[0] = '\0';
    return json_read(block, length, ret, &err);
}

static const struct {
    const char *text;
    enum json_kind kind;
} good_texts[] = {
    {"null", JSON_NULL},
    {" true\r\n", JSON_TRUE},
    {"false", JSON_FALSE},
    {"0", JSON_NUMBER},
    {"-0", JSON_NUMBER},
    {"-12.50e+3", JSON_NUMBER},
    {"1E9", JSON_NUMBER},
    {"\"\"", JSON_STRING},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"", JSON_STRING},
    {"\"\xE6\xAF\x8F \xFF\"", JSON_STRING}, /* not UTF-8, yet well delimited */
    {"[]", JSON_ARRAY},
    {"\t[ ] ", JSON_ARRAY},
    {"[1,[2,{}],\"]\"]", JSON_ARRAY},
    {"{}", JSON_OBJECT},
    {" { \"a\" : 1 , \"a\" : { \"b\" : [ ] } } ", JSON_OBJECT},
};

static const char *const bad_texts[] = {
    "",
    " ",
    "nul",
    "nulll",
    "True",
    "+1",
    "01",
    "-",
    "-01",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x1",
    "NaN",
    "Infinity",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"a\nb\"",
    "\"\t\"",
    "'a'",
    "[",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "]",
    "{",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{a:1}",
    "{\"a\" 1}",
    "{1:1}",
    "{\"a\":1]",
    "{\"a\":1}}",
    "[] []",
    "{}x",
    "1 1",
    "/**/1",
    "\xEF\xBB\xBF{}",
    "\xA0",
    "[1]\x0b",
};

static void good_and_bad_texts(void **state)
{
    (void)state;
    struct json value;
    char *block;
    for (size_t i = 0; i < COUNT(good_texts); i++) {
        if (read_exactly(good_texts[i].text, strlen(good_texts[i].text), &value, &block) != 0)
            fail_msg("%s: %s", good_texts[i].text, err.text);
        assert_int_equal(value.kind, good_texts[i].kind);
        free(block);
    }
    for (size_t i = 0; i < COUNT(bad_texts); i++) {
        if (read_exactly(bad_texts[i], strlen(bad_texts[i]), &value, &block) != -EINVAL)
            fail_msg("row %zu is taken: %s", i, bad_texts[i]);
        assert_true(strlen(err.text) > 5);
        free(block);
    }
}

static void a_zero_byte_is_a_bad_byte(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } bad[] = {
        {"{}\0", 3},     {"\0{}", 3},     {"{\0}", 3}, {"[1,\0 2]", 7},
        {"\"a\0b\"", 5}, {"\"\\\0\"", 4}, {"1\0", 2},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct json value;
        char *block;
        assert_int_equal(read_exactly(bad[i].text, bad[i].length, &value, &block), -EINVAL);
        free(block);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,-2.5e3,true,null,{\"b\":\"\\u00e9\\n\"}],\"c\":\"x\"}";
    for (size_t length = 0; length < sizeof text; length++) {
        struct json value = {JSON_NULL, NULL, 0};
        char *block;
        int outcome = read_exactly(text, length, &value, &block);
        assert_int_equal(outcome, length == sizeof text - 1 ? 0 : -EINVAL);
        if (outcome != 0)
            assert_null(value.bytes);
        free(block);
    }
}

static void depth_has_a_bound(void **state)
{
    (void)state;
    for (size_t depth = 1; depth <= 100000; depth = depth < 70 ? depth + 1 : depth * 10) {
        for (int object = 0; object < 2; object++) {
            size_t unit = object ? 5 : 1;
            size_t length = depth * unit + 1 + depth;
            char *text = malloc(length);
            assert_non_null(text);
            for (size_t i = 0; i < depth; i++)
                memcpy(text + i * unit, object ? "{\"a\":" : "[", unit);
            text[depth * unit] = '1';
            memset(text + depth * unit + 1, object ? '}' : ']', depth);
            struct json value;
            assert_int_equal(json_read(text, length, &value, &err),
                             depth <= JSON_DEPTH_MAX ? 0 : -E2BIG);
            /* And never closed. */
            assert_int_equal(json_read(text, depth * unit, &value, &err),
                             depth <= JSON_DEPTH_MAX ? -EINVAL : -E2BIG);
            free(text);
        }
    }
    assert_non_null(strstr(err.text, "64"));
}

static void members_are_found_once(void **state)
{
    (void)state;
    static const char text[] = "{ \"a\" : {\"b\":1} , \"b\":\"x]}\\\"\" , \"c\":[3,[4]], \"d\":1, "
                               "\"\\u0064\":2, \"e\\u0000\":5, \"\":6, \"f\":null }";
    struct json root;
    struct json value;
    assert_int_equal(json_read(text, strlen(text), &root, &err), 0);
    assert_int_equal(json_member(&root, "a", &value), 0);
    assert_int_equal(value.kind, JSON_OBJECT);
    assert_int_equal(value.length, strlen("{\"b\":1}"));
    assert_int_equal(json_member(&root, "b", &value), 0);
    assert_true(json_is(&value, "x]}\""));
    assert_int_equal(json_member(&root, "", &value), 0);
    assert_int_equal(json_member(&root, "f", &value), 0);
    assert_int_equal(value.kind, JSON_NULL);
    assert_int_equal(json_member(&root, "d", &value), JSON_DOUBLED); /* one of them escaped */
    assert_int_equal(json_member(&root, "e", &value), JSON_ABSENT);  /* a zero is no end */
    assert_int_equal(json_member(&root, "A", &value), JSON_ABSENT);
    assert_int_equal(value.kind, JSON_NULL); /* untouched since "f" */
    assert_int_equal(json_member(&root, "c", &value), 0);
    assert_int_equal(json_member(&value, "c", &root), JSON_ABSENT);

    struct json_cursor cursor = json_open(&value);
    struct json element;
    int64_t number;
    assert_true(json_next(&cursor, NULL, &element));
    assert_int_equal(json_int64(&element, &number), 0);
    assert_int_equal(number, 3);
    assert_true(json_next(&cursor, NULL, &element));
    assert_int_equal(element.kind, JSON_ARRAY);
    assert_false(json_next(&cursor, NULL, &element));
    assert_false(json_next(&cursor, NULL, &element));
    struct json scalar = {JSON_NUMBER, "1", 1};
    cursor = json_open(&scalar);
    assert_false(json_next(&cursor, NULL, &element));
}

static void strings_are_resolved(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *out;
    } rows[] = {
        {"\"\"", ""},
        {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz"},
        {"\"\\u0041\\u00e9\\u6BCF\\ud83d\\ude00\"", "A\xC3\xA9\xE6\xAF\x8F\xF0\x9F\x98\x80"},
        {"\"\\u0000x\"", "\xEF\xBF\xBDx"},
        {"\"\\ud83d\"", "\xEF\xBF\xBD"},
        {"\"\\ud83dx\"", "\xEF\xBF\xBDx"},
        {"\"\\ud83d\\u0041\"", "\xEF\xBF\xBD\x41"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
        {"\"\\ude00\\ud83d\"", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\"\\uFFFF\\u07ff\\u0800\"", "\xEF\xBF\xBF\xDF\xBF\xE0\xA0\x80"},
        {"\"\\udbff\\udfff\"", "\xF4\x8F\xBF\xBF"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json value;
        char *block;
        char buffer[64];
        struct text t = text_over(buffer, sizeof buffer);
        assert_int_equal(read_exactly(rows[i].text, strlen(rows[i].text), &value, &block), 0);
        json_add_string(&value, &t);
        assert_string_equal(buffer, rows[i].out);
        assert_true(json_is(&value, rows[i].out));
        assert_false(json_is(&value, "no"));
        free(block);
    }
    struct json number = {JSON_NUMBER, "1", 1};
    char buffer[4];
    struct text t = text_over(buffer, sizeof buffer);
    json_add_string(&number, &t);
    assert_string_equal(buffer, "");
    assert_false(json_is(&number, ""));
}

static void whole_numbers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int outcome;
        int64_t number;
    } rows[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"6954227", 0, 6954227},
        {"\"6954227\"", 0, 6954227},
        {"9007199254740993", 0, INT64_C(9007199254740993)},
        {"9223372036854775807", 0, INT64_MAX},
        {"\"9223372036854775807\"", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -ERANGE, 0},
        {"-9223372036854775809", -ERANGE, 0},
        {"18446744073709551616", -ERANGE, 0},
        {"99999999999999999999999999999999999999999999", -ERANGE, 0},
        {"\"99999999999999999999x\"", -EINVAL, 0},
        {"1.0", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"\"\"", -EINVAL, 0},
        {"\"-\"", -EINVAL, 0},
        {"\"007\"", -EINVAL, 0},
        {"\" 7\"", -EINVAL, 0},
        {"\"7 \"", -EINVAL, 0},
        {"\"+7\"", -EINVAL, 0},
        {"\"\\u0037\"", -EINVAL, 0},
        {"true", -EINVAL, 0},
        {"null", -EINVAL, 0},
        {"[1]", -EINVAL, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json value;
        char *block;
        int64_t number = 42;
        assert_int_equal(read_exactly(rows[i].text, strlen(rows[i].text), &value, &block), 0);
        assert_int_equal(json_int64(&value, &number), rows[i].outcome);
        assert_true(number == (rows[i].outcome == 0 ? rows[i].number : 42));
        free(block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_and_bad_texts),          cmocka_unit_test(a_zero_byte_is_a_bad_byte),
        cmocka_unit_test(every_truncation_is_refused), cmocka_unit_test(depth_has_a_bound),
        cmocka_unit_test(members_are_found_once),      cmocka_unit_test(strings_are_resolved),
        cmocka_unit_test(whole_numbers_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
