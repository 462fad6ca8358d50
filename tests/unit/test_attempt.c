/* Attempt: the whole table of moves, and what each class of verdict leads to. */
#include "unit.h"

#include "engine/attempt.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO (-1)

/* Written out a second time, from the drawing in attempt.h. */
static const int drawing[ATTEMPT_STATES][ATTEMPT_EVENTS] = {
    [ATTEMPT_NEW] = {ATTEMPT_RECORDING, NO, NO, NO, ATTEMPT_WAITING, ATTEMPT_DOUBTFUL, NO},
    [ATTEMPT_RECORDING] = {NO, ATTEMPT_READY, NO, NO, ATTEMPT_WAITING, NO, ATTEMPT_ENDED},
    [ATTEMPT_READY] = {NO, NO, ATTEMPT_SENDING, NO, ATTEMPT_WAITING, NO, ATTEMPT_ENDED},
    [ATTEMPT_SENDING] = {NO, NO, NO, ATTEMPT_ON_WIRE, ATTEMPT_WAITING, ATTEMPT_DOUBTFUL,
                         ATTEMPT_ENDED},
    [ATTEMPT_ON_WIRE] = {NO, NO, NO, NO, ATTEMPT_WAITING, ATTEMPT_DOUBTFUL, ATTEMPT_ENDED},
    [ATTEMPT_WAITING] = {ATTEMPT_RECORDING, NO, NO, NO, ATTEMPT_WAITING, NO, ATTEMPT_ENDED},
    [ATTEMPT_DOUBTFUL] = {NO, NO, NO, NO, ATTEMPT_WAITING, NO, ATTEMPT_ENDED},
    [ATTEMPT_ENDED] = {NO, NO, NO, NO, NO, NO, NO},
};

static void moves_are_those_of_the_drawing(void **state)
{
    (void)state;
    for (int s = 0; s < ATTEMPT_STATES; s++) {
        for (int e = 0; e < ATTEMPT_EVENTS; e++) {
            bool may = attempt_may((enum attempt_state)s, (enum attempt_event)e);
            assert_int_equal(may, drawing[s][e] != NO);
            if (may)
                assert_int_equal(attempt_move((enum attempt_state)s, (enum attempt_event)e),
                                 drawing[s][e]);
        }
    }
}

/* In a child, since it dies of it. */
static void an_illegal_move_aborts(void **state)
{
    (void)state;
    for (int s = 0; s < ATTEMPT_STATES; s++) {
        for (int e = 0; e < ATTEMPT_EVENTS; e++) {
            if (drawing[s][e] != NO)
                continue;
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0) {
                (void)close(STDERR_FILENO);
                (void)signal(SIGABRT, SIG_DFL);
                (void)attempt_move((enum attempt_state)s, (enum attempt_event)e);
                _exit(0);
            }
            int status;
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        }
    }
}

static void states_have_names(void **state)
{
    (void)state;
    for (int s = 0; s < ATTEMPT_STATES; s++)
        for (int other = 0; other < s; other++)
            assert_string_not_equal(attempt_state_name((enum attempt_state)s),
                                    attempt_state_name((enum attempt_state)other));
}

struct row {
    enum verdict_class class;
    enum attempt_decision decision;
    int64_t least_us; /* of the delay before the second attempt */
    int64_t most_us;
    int64_t ever_us; /* of any delay */
};

static const struct row rows[] = {
    {VERDICT_ACCEPTED, ATTEMPT_SUBMITTED, 0, 0, 0},
    {VERDICT_AMBIGUOUS, ATTEMPT_UNKNOWN, 0, 0, 0},
    {VERDICT_FINAL, ATTEMPT_FAILED, 0, 0, 0},
    {VERDICT_THROTTLED, ATTEMPT_RETRY, 0, 1000000, 60000000},
    {VERDICT_CLOCK, ATTEMPT_RETRY, 0, 250000, 60000000},
    {VERDICT_BUSY, ATTEMPT_RETRY, 2000000, 10000000, 302000000},
    {VERDICT_NOT_SENT, ATTEMPT_RETRY, 250000, 1250000, 60250000},
};

static void verdicts_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct verdict verdict = {.class = rows[i].class};
        int64_t least = -1;
        int64_t most = -1;
        assert_int_equal(attempt_decide(&verdict, 1, INT64_MAX, 0, &least), rows[i].decision);
        if (rows[i].decision != ATTEMPT_RETRY) {
            assert_int_equal(attempt_decide(&verdict, 1000, 0, 7, &least), rows[i].decision);
            assert_int_equal(least, -1); /* untouched */
            continue;
        }
        uint64_t span = (uint64_t)(rows[i].most_us - rows[i].least_us);
        assert_int_equal(attempt_decide(&verdict, 1, INT64_MAX, span, &most), ATTEMPT_RETRY);
        assert_int_equal(least, rows[i].least_us);
        assert_int_equal(most, rows[i].most_us);
        for (uint64_t bits = 1; bits != 0; bits <<= 1) {
            assert_int_equal(attempt_decide(&verdict, 1000000, INT64_MAX, ~bits, &most),
                             ATTEMPT_RETRY);
            assert_true(most >= rows[i].least_us && most <= rows[i].ever_us);
        }
        /* A retry must be able to leave before the deadline: its delay is cut to what is left. */
        int64_t left = rows[i].least_us + 1500000;
        assert_int_equal(attempt_decide(&verdict, 9, left, UINT64_MAX / 2, &most), ATTEMPT_RETRY);
        assert_true(most <= left - 1000000);
        left = rows[i].least_us + 1000000 - 1;
        assert_int_equal(attempt_decide(&verdict, 9, left, 0, &most), ATTEMPT_EXPIRED);
        assert_int_equal(attempt_decide(&verdict, 1, -5, 0, &most), ATTEMPT_EXPIRED);
    }
}

static void tickets_name_one_attempt(void **state)
{
    (void)state;
    struct run_pool *pool;
    struct run *runs[100];
    assert_int_equal(run_pool_create(COUNT(runs), &pool), 0);
    uint64_t seen[3 * COUNT(runs)];
    size_t count = 0;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(runs); i++) {
            runs[i] = run_pool_take(pool);
            assert_non_null(runs[i]);
            if (round == 0)
                seen[count++] = runs[i]->ticket;
        }
        for (size_t i = 0; i < COUNT(runs); i++) {
            assert_ptr_equal(run_pool_find(pool, runs[i]->ticket), runs[i]);
            uint64_t before = runs[i]->ticket;
            run_renew_ticket(pool, runs[i]);
            assert_null(run_pool_find(pool, before));
            seen[count < COUNT(seen) ? count++ : COUNT(seen) - 1] = runs[i]->ticket;
        }
        for (size_t i = 0; i < COUNT(runs); i++)
            run_pool_give(pool, runs[i]);
    }
    for (size_t i = 0; i < count; i++) {
        assert_null(run_pool_find(pool, seen[i]));
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    }
    size_t position = 0;
    assert_null(run_pool_next(pool, &position));
    run_pool_destroy(pool);
}

static void a_full_pool_says_so(void **state)
{
    (void)state;
    struct run_pool *pool;
    assert_int_equal(run_pool_create(64, &pool), 0);
    struct run *last = NULL;
    for (int i = 0; i < 64; i++)
        assert_non_null(last = run_pool_take(pool));
    assert_null(run_pool_take(pool));
    run_pool_give(pool, last);
    assert_non_null(run_pool_take(pool));
    run_pool_destroy(pool);
    run_pool_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_are_those_of_the_drawing),
        cmocka_unit_test(an_illegal_move_aborts),
        cmocka_unit_test(states_have_names),
        cmocka_unit_test(verdicts_decide),
        cmocka_unit_test(tickets_name_one_attempt),
        cmocka_unit_test(a_full_pool_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
