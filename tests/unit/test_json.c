/*
 * JSON from outside: what is taken and what is not, every truncation, members, strings, whole
 * numbers wherever they stand, and every allocation failing once. Texts are handed over in blocks
 * of exactly their size, freed before the tree is looked at.
 */
#include "unit.h"

#include "base/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct errtext err;

static int read_exactly(const char *text, size_t length, struct json *ret)
{
    char *block = malloc(length > 0 ? length : 1);
    assert_non_null(block);
    memcpy(block, text, length);
    err.text[0] = '\0';
    int outcome = json_read(ret, block, length, &err);
    free(block);
    return outcome;
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
    {"01", JSON_NUMBER}, /* taken, but never as a whole number */
    {"-01", JSON_NUMBER},
    {"1.", JSON_NUMBER},
    {"1e400", JSON_NUMBER},
};

static const char *const bad_texts[] = {
    "",
    " ",
    "nul",
    "nulll",
    "True",
    "+1",
    "-",
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
    "[\x7f]",
    "[\"\x1f\"]",
    "\"\\u\"",
    "\"\\u00",
    "\"\\u-123\"",
    "\"\\ud83d\"", /* lone surrogates */
    "\"\\ud83dx\"",
    "\"\\ud83d\\u0041\"",
    "\"\\ude00\\ud83d\"",
};

static void good_and_bad_texts(void **state)
{
    (void)state;
    struct json json;
    for (size_t i = 0; i < COUNT(good_texts); i++) {
        if (read_exactly(good_texts[i].text, strlen(good_texts[i].text), &json) != 0)
            fail_msg("%s: %s", good_texts[i].text, err.text);
        assert_int_equal(json_kind_of(json_root(&json)), good_texts[i].kind);
        json_finish(&json);
    }
    json_finish(&json); /* once more is harmless */
    json_finish(NULL);
    for (size_t i = 0; i < COUNT(bad_texts); i++) {
        if (read_exactly(bad_texts[i], strlen(bad_texts[i]), &json) != -EINVAL)
            fail_msg("row %zu is taken: %s", i, bad_texts[i]);
        assert_true(strlen(err.text) > 5);
    }
    assert_int_equal(read_exactly("{\"a\":1}\n ]", 10, &json), -EINVAL);
    assert_string_equal(err.text, "not JSON at byte 10 of 10");
    assert_int_equal(read_exactly("[1,x]", 5, &json), -EINVAL);
    assert_string_equal(err.text, "not JSON at byte 4 of 5");
    assert_int_equal(json_read(&json, NULL, 0, NULL), -EINVAL);
}

static void a_zero_byte_is_a_bad_byte(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } bad[] = {
        {"{}\0", 3},     {"\0{}", 3},      {"{\0}", 3},         {"[1,\0 2]", 7},
        {"\"a\0b\"", 5}, {"\"\\\0\"", 4},  {"1\0", 2},          {"\0", 1},
        {"[\0", 2},      {"\"\\u\0\"", 5}, {"\"\\u000\0\"", 8},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct json json;
        assert_int_equal(read_exactly(bad[i].text, bad[i].length, &json), -EINVAL);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,-2.5e3,true,null,{\"b\":\"\\u00e9\\n\\ud83d\\ude00\"}],\"c\":\"x\"}";
    for (size_t length = 0; length < sizeof text; length++) {
        struct json json = {.text = NULL, .root = NULL};
        int outcome = read_exactly(text, length, &json);
        assert_int_equal(outcome, length == sizeof text - 1 ? 0 : -EINVAL);
        assert_true((json.root != NULL) == (outcome == 0));
        json_finish(&json);
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
            struct json json = {.text = NULL, .root = NULL};
            assert_int_equal(json_read(&json, text, length, &err),
                             depth <= JSON_DEPTH_MAX ? 0 : -E2BIG);
            json_finish(&json);
            /* And never closed. */
            assert_int_equal(json_read(&json, text, depth * unit, &err),
                             depth <= JSON_DEPTH_MAX ? -EINVAL : -E2BIG);
            free(text);
        }
    }
    assert_non_null(strstr(err.text, "64"));
}

static void values_have_a_bound(void **state)
{
    (void)state;
    static char text[2 * JSON_VALUES_MAX + 8];
    for (size_t values = JSON_VALUES_MAX - 2; values <= JSON_VALUES_MAX; values++) {
        /* The array is a value itself. */
        text[0] = '[';
        for (size_t i = 0; i < values; i++)
            memcpy(text + 1 + 2 * i, "1,", 2);
        text[2 * values] = ']';
        struct json json = {.text = NULL, .root = NULL};
        int expected = values + 1 <= JSON_VALUES_MAX ? 0 : -E2BIG;
        assert_int_equal(json_read(&json, text, 2 * values + 1, &err), expected);
        json_finish(&json);
    }
    assert_non_null(strstr(err.text, "65536"));
}

static void assert_string(struct json_value value, const char *expected)
{
    char buffer[64];
    struct text t = text_over(buffer, sizeof buffer);
    assert_int_equal(json_add_string(value, &t), 0);
    assert_string_equal(buffer, expected);
}

static void members_are_found_once(void **state)
{
    (void)state;
    static const char text[] = "{ \"a\" : {\"b\":1} , \"b\":\"x]}\\\"\" , \"c\":[3,[4]], \"d\":1, "
                               "\"\\u0064\":2, \"e\\u0000\":5, \"\":6, \"f\":null }";
    struct json json;
    assert_int_equal(read_exactly(text, strlen(text), &json), 0);
    struct json_value root = json_root(&json);
    struct json_value value;
    assert_int_equal(json_member(root, "a", &value), 0);
    assert_int_equal(json_kind_of(value), JSON_OBJECT);
    assert_int_equal(json_member(value, "b", &value), 0);
    assert_int_equal(json_kind_of(value), JSON_NUMBER);
    assert_int_equal(json_member(value, "b", &value), JSON_ABSENT);
    assert_int_equal(json_member(root, "b", &value), 0);
    assert_string(value, "x]}\"");
    assert_int_equal(json_member(root, "", &value), 0);
    assert_int_equal(json_member(root, "f", &value), 0);
    assert_int_equal(json_kind_of(value), JSON_NULL);
    assert_int_equal(json_member(root, "d", &value), JSON_DOUBLED); /* one of them escaped */
    assert_int_equal(json_member(root, "e", &value), JSON_ABSENT);  /* a zero is no end */
    assert_int_equal(json_member(root, "A", &value), JSON_ABSENT);
    assert_int_equal(json_kind_of(value), JSON_NULL); /* untouched since "f" */
    json_finish(&json);
}

static void elements_come_in_order(void **state)
{
    (void)state;
    static const char text[] = "{\"c\":[3,[4],\"x\"],\"d\":1,\"e\":[]}";
    struct json json;
    assert_int_equal(read_exactly(text, strlen(text), &json), 0);
    struct json_value array;
    struct json_value at = {NULL, NULL};
    int64_t number;
    assert_int_equal(json_member(json_root(&json), "c", &array), 0);
    assert_int_equal(json_member(array, "c", &at), JSON_ABSENT);
    assert_true(json_next(array, &at));
    assert_int_equal(json_int64(at, &number), 0);
    assert_int_equal(number, 3);
    assert_true(json_next(array, &at));
    assert_int_equal(json_kind_of(at), JSON_ARRAY);
    assert_true(json_next(array, &at));
    assert_string(at, "x");
    assert_false(json_next(array, &at));
    assert_false(json_next(array, &at));

    size_t count = 0;
    at = (struct json_value){NULL, NULL};
    while (json_next(json_root(&json), &at))
        count++;
    assert_int_equal(count, 3);
    at = (struct json_value){NULL, NULL};
    assert_int_equal(json_member(json_root(&json), "d", &array), 0);
    assert_false(json_next(array, &at));
    assert_int_equal(json_member(json_root(&json), "e", &array), 0);
    assert_false(json_next(array, &at));
    json_finish(&json);
}

static void strings_come_out_clean(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *out;
    } rows[] = {
        {"\"\"", ""},
        {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/     z"},
        {"\"\\u0041\\u00e9\\u6BCF\\ud83d\\ude00\"", "A\xC3\xA9\xE6\xAF\x8F\xF0\x9F\x98\x80"},
        {"\"\\u0000x\\u0000\"", "\xEF\xBF\xBDx\xEF\xBF\xBD"},
        {"\"\\\\u0000\"", "\\u0000"}, /* a backslash, then five letters */
        {"\"\\\\\\u0000\"", "\\\xEF\xBF\xBD"},
        {"\"u0000\\u00000\"", "u0000\xEF\xBF\xBD\x30"},
        {"\"\\uFFFF\\u07ff\\u0800\"", "\xEF\xBF\xBF\xDF\xBF\xE0\xA0\x80"},
        {"\"\\udbff\\udfff\"", "\xF4\x8F\xBF\xBF"},
        {"\"\x7f\xC2\x85|\xE2\x80\xA8\"", "  | "},
        {"\"\xE6\xAF\x8F\xFF\"", "\xE6\xAF\x8F\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json json;
        assert_int_equal(read_exactly(rows[i].text, strlen(rows[i].text), &json), 0);
        assert_string(json_root(&json), rows[i].out);
        json_finish(&json);
    }
    static const char *const others[] = {"1", "null", "true", "[\"a\"]", "{\"a\":\"a\"}"};
    for (size_t i = 0; i < COUNT(others); i++) {
        struct json json;
        char buffer[8];
        struct text t = text_over(buffer, sizeof buffer);
        assert_int_equal(read_exactly(others[i], strlen(others[i]), &json), 0);
        assert_int_equal(json_add_string(json_root(&json), &t), -EINVAL);
        assert_string_equal(buffer, "");
        json_finish(&json);
    }
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
        {"1.", -EINVAL, 0},
        {"01", -EINVAL, 0},
        {"-01", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"\"\"", -EINVAL, 0},
        {"\"-\"", -EINVAL, 0},
        {"\"007\"", -EINVAL, 0},
        {"\" 7\"", -EINVAL, 0},
        {"\"7 \"", -EINVAL, 0},
        {"\"+7\"", -EINVAL, 0},
        {"\"\\u0037\"", 0, 7},
        {"\"7\\u0000\"", -EINVAL, 0},
        {"true", -EINVAL, 0},
        {"null", -EINVAL, 0},
        {"[1]", -EINVAL, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json json;
        int64_t number = 42;
        assert_int_equal(read_exactly(rows[i].text, strlen(rows[i].text), &json), 0);
        assert_int_equal(json_int64(json_root(&json), &number), rows[i].outcome);
        assert_true(number == (rows[i].outcome == 0 ? rows[i].number : 42));
        json_finish(&json);
    }
}

static uint64_t seed;

static uint64_t draw(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return seed >> 11;
}

#define NUMBERS_MAX 64

/* Writes a random value, mostly bait: digits in strings and names, doubled names, containers. */
static void write_value(struct text *t, int depth, int64_t numbers[NUMBERS_MAX], size_t *count)
{
    static const char *const bait[] = {"\"-17\"", "\"\\\"18,\"",   "\"\\\\\"", "true",
                                       "null",    "\"\\u0031\"",   "\"]}9\"",  " [ ] ",
                                       "{}",      "\"1\\\\\\\"2\""};
    uint64_t kind = draw() % 8;
    if (kind < 3 && *count < NUMBERS_MAX) {
        int64_t number = (int64_t)(draw() << 11 ^ draw()) >> draw() % 64;
        numbers[(*count)++] = number;
        text_addf(t, draw() % 2 ? "%" PRId64 : " %" PRId64 "\t", number);
    } else if (kind < 5 || depth == 0) {
        text_add(t, bait[draw() % COUNT(bait)]);
    } else {
        bool object = kind == 5;
        text_add(t, object ? "{" : "[");
        for (uint64_t i = 0, inner = draw() % 5; i < inner; i++) {
            text_add(t, i > 0 ? "," : "");
            text_add(t, object ? "\"12\" : " : "");
            write_value(t, depth - 1, numbers, count);
        }
        text_add(t, object ? "}" : "]");
    }
}

static void read_numbers(struct json_value value, const int64_t *numbers, size_t *at)
{
    if (json_kind_of(value) == JSON_NUMBER) {
        int64_t number;
        assert_int_equal(json_int64(value, &number), 0);
        assert_true(number == numbers[(*at)++]);
    }
    struct json_value inner = {NULL, NULL};
    while (json_next(value, &inner))
        read_numbers(inner, numbers, at);
}

static void whole_numbers_are_found_among_others(void **state)
{
    (void)state;
    static char buffer[65536];
    size_t found = 0;
    seed = 6954227;
    for (int round = 0; round < 3000; round++) {
        int64_t numbers[NUMBERS_MAX];
        size_t count = 0;
        struct text t = text_over(buffer, sizeof buffer);
        text_add(&t, "[");
        for (int i = 0; i < 5; i++) {
            write_value(&t, 6, numbers, &count);
            text_add(&t, ",");
        }
        text_add(&t, "null]");
        assert_false(t.cut);
        struct json json;
        if (read_exactly(buffer, t.length, &json) != 0)
            fail_msg("%s: %s", err.text, buffer);
        size_t at = 0;
        read_numbers(json_root(&json), numbers, &at);
        assert_int_equal(at, count);
        found += count;
        json_finish(&json);
    }
    assert_true(found > 10000);
}

static int allocations_left;

static void *failing_malloc(size_t size)
{
    if (allocations_left-- > 0)
        return malloc(size);
    errno = ENOMEM;
    return NULL;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,\"x\",{\"b\":null}],\"c\":\"\\u00e9\"}";
    cJSON_Hooks hooks = {.malloc_fn = failing_malloc, .free_fn = free};
    cJSON_InitHooks(&hooks);
    int needed = -1;
    for (int given = 0; needed < 0 && given < 100; given++) {
        struct json json = {.text = NULL, .root = NULL};
        allocations_left = given;
        errno = 0;
        int outcome = json_read(&json, text, sizeof text - 1, &err);
        if (outcome == 0) {
            needed = given;
        } else {
            assert_int_equal(outcome, -ENOMEM);
            assert_null(json.root);
            assert_non_null(strstr(err.text, "no memory"));
        }
        json_finish(&json);
    }
    cJSON_InitHooks(NULL);
    assert_true(needed >= 13); /* the copy, 7 values, 3 names, 2 strings; for numbers as it likes */
    /* An old ENOMEM does not make a bad text one. */
    struct json json;
    errno = ENOMEM;
    assert_int_equal(json_read(&json, "[", 1, &err), -EINVAL);
    assert_int_equal(errno, ENOMEM);
}

static void doubles_for_showing(void **state)
{
    static const char text[] = "[19.5,20.000,-1e3,7,\"19.5\",true,null]";
    static const double values[] = {19.5, 20, -1000, 7};
    struct json json;
    struct json_value at = {NULL, NULL};
    (void)state;
    assert_int_equal(json_read(&json, text, sizeof text - 1, NULL), 0);
    for (size_t i = 0; json_next(json_root(&json), &at); i++) {
        double value = -7;
        bool number = i < COUNT(values);
        assert_int_equal(json_double(at, &value), number ? 0 : -EINVAL);
        assert_true(value == (number ? values[i] : -7));
    }
    json_finish(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_for_showing),
        cmocka_unit_test(good_and_bad_texts),
        cmocka_unit_test(a_zero_byte_is_a_bad_byte),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(depth_has_a_bound),
        cmocka_unit_test(values_have_a_bound),
        cmocka_unit_test(members_are_found_once),
        cmocka_unit_test(elements_come_in_order),
        cmocka_unit_test(strings_come_out_clean),
        cmocka_unit_test(whole_numbers_are_exact),
        cmocka_unit_test(whole_numbers_are_found_among_others),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
