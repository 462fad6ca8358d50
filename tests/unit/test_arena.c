/* The arena: alignment, large pieces beside small ones, and that nothing overlaps. */
#include "unit.h"

#include "base/arena.h"

static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    enum { PIECES = 3000 };
    static unsigned char *pieces[PIECES];
    static size_t sizes[PIECES];
    struct arena arena = {0};
    uint32_t random = 12345;
    for (size_t i = 0; i < PIECES; i++) {
        random = random * 1664525 + 1013904223;
        size_t alignment = (size_t)1 << (random >> 8) % 5;
        sizes[i] = i % 500 == 499 ? ARENA_CHUNK_SIZE + i : (random >> 16) % 700;
        pieces[i] = arena_take(&arena, sizes[i], alignment);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignment, 0);
        memset(pieces[i], (int)(i & 0xFF), sizes[i]);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], i & 0xFF);
    arena_finish(&arena);
    assert_null(arena.chunks);
    arena_finish(&arena);
}

static void copies_end_in_a_nul(void **state)
{
    (void)state;
    struct arena arena = {0};
    const char *empty = arena_copy(&arena, NULL, 0);
    const char *word = arena_copy(&arena, "word and more", 4);
    assert_string_equal(empty, "");
    assert_string_equal(word, "word");
    arena_finish(&arena);
}

static void impossible_sizes_give_nothing(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_null(arena_take(&arena, SIZE_MAX, 1));
    assert_null(arena_copy(&arena, "x", SIZE_MAX));
    assert_null(arena.chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(copies_end_in_a_nul),
        cmocka_unit_test(impossible_sizes_give_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
