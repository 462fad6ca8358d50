/* Reasons in words: those of the log are known, anything else stays as it is. */
#include "unit.h"

#include "base/reason.h"

static void each_reason_has_words(void **state)
{
    (void)state;
    static const char *const reasons[] = {"changed",      "clock",    "closed",  "earlier_backup",
                                          "endpoint",     "keys",     "ledger",  "overlap",
                                          "passed",       "paused",   "refused", "removed",
                                          "start_within", "stopping", "too_late"};
    for (size_t i = 0; i < COUNT(reasons); i++) {
        const char *words = reason_in_words(reasons[i]);
        assert_string_not_equal(words, reasons[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(words, reason_in_words(reasons[j]));
    }
}

static void anything_else_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "over", "overlap ", "overlapping",
                                        "The instance is locked."};
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_ptr_equal(reason_in_words(texts[i]), texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reason_has_words),
        cmocka_unit_test(anything_else_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
