/* JSON that is written: commas, values, and the way back where there is no room. */
#include "unit.h"

#include "base/json.h"
#include "base/json_write.h"

static void write_sample(struct json_writer *w)
{
    json_open(w, NULL, '{');
    json_put_text(w, "a", "x\"\n\xFF");
    json_put_known(w, "b", "");
    json_put_known(w, "c", NULL);
    json_put_known(w, "d", "y");
    json_open(w, "list", '[');
    json_open(w, NULL, '{');
    json_close(w, '}');
    json_put_number(w, NULL, INT64_MIN);
    json_put_thousandths(w, NULL, -1005);
    json_put_thousandths(w, NULL, 42);
    json_put_thousandths(w, NULL, INT64_MIN);
    json_close(w, ']');
    json_put_bool(w, "t", true);
    json_put_bool(w, "f", false);
    json_put_instant(w, "at", (struct wall){1500000});
    json_put_instant(w, "never", WALL_NEVER);
    json_close(w, '}');
}

static const char sample[] = "{\"a\":\"x\\\"\\n\xEF\xBF\xBD\",\"d\":\"y\",\"list\":[{},"
                             "-9223372036854775808,-1.005,0.042,-9223372036854775.808],"
                             "\"t\":true,\"f\":false,\"at\":\"1970-01-01T00:00:01.500000Z\"}";

static void all_values(void **state)
{
    (void)state;
    char buffer[512];
    struct json json;
    struct json_writer w = json_write_over(buffer, sizeof buffer);
    write_sample(&w);
    assert_string_equal(buffer, sample);
    assert_false(w.text.cut);
    assert_int_equal(json_read(&json, buffer, w.text.length, NULL), 0);
    json_finish(&json);
}

static void any_size_is_a_limit(void **state)
{
    (void)state;
    char buffer[sizeof sample + 1];
    for (size_t size = 1; size <= sizeof sample; size++) {
        memset(buffer, '#', sizeof buffer);
        struct json_writer w = json_write_over(buffer, size);
        write_sample(&w);
        assert_int_equal(w.text.cut, size < sizeof sample);
        assert_int_equal(buffer[size], '#');
        assert_true(w.text.length < size);
    }
}

static void what_does_not_fit_is_taken_back(void **state)
{
    (void)state;
    char buffer[16];
    struct json_writer w = json_write_over(buffer, sizeof buffer);
    json_open(&w, NULL, '[');
    int rows = 0;
    for (;;) {
        const struct json_writer before = w;
        json_put_text(&w, NULL, "abc");
        if (w.text.cut) {
            json_back(&w, &before);
            break;
        }
        rows++;
    }
    assert_int_equal(rows, 2);
    json_close(&w, ']');
    assert_string_equal(buffer, "[\"abc\",\"abc\"]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_values),
        cmocka_unit_test(any_size_is_a_limit),
        cmocka_unit_test(what_does_not_fit_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
