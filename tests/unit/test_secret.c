/* Secrets: what is set is kept whole, what is wiped is gone, comparison looks at every byte. */
#include "unit.h"

#include "base/secret.h"

#include <errno.h>

static bool all_zero(const void *memory, size_t length)
{
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static void keeps_bytes_and_a_nul(void **state)
{
    (void)state;
    struct secret secret;
    memset(&secret, 'x', sizeof secret);
    assert_int_equal(secret_set(&secret, "a\0b", 3), 0);
    assert_int_equal(secret.length, 3);
    assert_memory_equal(secret.bytes, "a\0b\0", 4);
    assert_true(all_zero(secret.bytes + 3, sizeof secret.bytes - 3));
    assert_int_equal(secret_set(&secret, NULL, 0), 0);
    assert_int_equal(secret.length, 0);
    assert_true(all_zero(secret.bytes, sizeof secret.bytes));
}

static void a_shorter_key_leaves_nothing_of_the_longer(void **state)
{
    (void)state;
    struct secret secret;
    char longest[SECRET_MAX];
    memset(longest, 'k', sizeof longest);
    assert_int_equal(secret_set(&secret, longest, sizeof longest), 0);
    assert_int_equal(secret.length, SECRET_MAX);
    assert_int_equal(secret.bytes[SECRET_MAX], 0);
    assert_int_equal(secret_set(&secret, "short", 5), 0);
    assert_true(all_zero(secret.bytes + 5, sizeof secret.bytes - 5));
}

static void takes_a_part_of_itself(void **state)
{
    (void)state;
    struct secret secret;
    assert_int_equal(secret_set(&secret, "  key  ", 7), 0);
    assert_int_equal(secret_set(&secret, secret.bytes + 2, 3), 0);
    assert_int_equal(secret.length, 3);
    assert_string_equal(secret.bytes, "key");
}

static void too_long_keeps_nothing(void **state)
{
    (void)state;
    struct secret secret;
    static const char big[SECRET_MAX + 1] = "x";
    assert_int_equal(secret_set(&secret, "old", 3), 0);
    assert_int_equal(secret_set(&secret, big, sizeof big), -E2BIG);
    assert_true(all_zero(&secret, sizeof secret));
}

static void finish_wipes_and_may_come_twice(void **state)
{
    (void)state;
    struct secret secret;
    assert_int_equal(secret_set(&secret, "key", 3), 0);
    secret_finish(&secret);
    assert_true(all_zero(&secret, sizeof secret));
    secret_finish(&secret);
    secret_finish(NULL);
    secret_wipe(NULL, 0);
    char word[] = "word";
    secret_wipe(word, 2);
    assert_memory_equal(word, "\0\0rd", 5);
}

static void a_block_that_is_resized_keeps_its_bytes_and_moves(void **state)
{
    (void)state;
    char *block = secret_realloc(NULL, 4);
    assert_non_null(block);
    memset(block, 'w', 4);
    static const size_t sizes[] = {100, 4, 3, 100000, 1};
    size_t kept = 4;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uintptr_t before = (uintptr_t)block;
        block = secret_realloc(block, sizes[i]);
        assert_non_null(block);
        assert_true((uintptr_t)block != before);
        kept = sizes[i] < kept ? sizes[i] : kept;
        assert_memory_equal(block, "wwww", kept);
    }
    secret_free(block);
    secret_free(NULL);
}

static void equal_looks_at_every_byte(void **state)
{
    (void)state;
    struct secret a;
    struct secret b;
    char key[64];
    memset(key, 'k', sizeof key);
    assert_int_equal(secret_set(&a, key, sizeof key), 0);
    assert_int_equal(secret_set(&b, key, sizeof key), 0);
    assert_true(secret_equal(&a, &b));
    for (size_t i = 0; i < sizeof key; i++) {
        b.bytes[i] = (char)(b.bytes[i] ^ 0x80);
        assert_false(secret_equal(&a, &b));
        b.bytes[i] = a.bytes[i];
    }
    assert_int_equal(secret_set(&b, key, sizeof key - 1), 0);
    assert_false(secret_equal(&a, &b));
    assert_int_equal(secret_set(&a, "x\0y", 3), 0);
    assert_int_equal(secret_set(&b, "x\0z", 3), 0);
    assert_false(secret_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_bytes_and_a_nul),
        cmocka_unit_test(a_shorter_key_leaves_nothing_of_the_longer),
        cmocka_unit_test(takes_a_part_of_itself),
        cmocka_unit_test(too_long_keeps_nothing),
        cmocka_unit_test(finish_wipes_and_may_come_twice),
        cmocka_unit_test(a_block_that_is_resized_keeps_its_bytes_and_moves),
        cmocka_unit_test(equal_looks_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
