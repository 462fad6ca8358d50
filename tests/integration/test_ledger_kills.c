/*
 * SIGKILL at seeded instants: whatever was answered is there, and in the order of its arrival. One
 * ledger goes through all the lives, so each also starts from what the one before left.
 */
#include "shelf.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILLS 200
#define KILLS_UNDER_TSAN 40
#define AT_ONCE 24
#define INSTANCES_MAX 100000

/* The child: says that it begins, keeps AT_ONCE attempts queued, tells of each that is answered by
 * its number. */
static void live(struct shelf *shelf, int64_t slot, int out)
{
    char id[32];
    if (shelf_open(shelf) != 0)
        _exit(1);
    const uint32_t begun = 0;
    (void)!write(out, &begun, sizeof begun);
    uint64_t asked = 0;
    size_t passed_on = 0;
    for (;;) {
        while (asked < shelf->told_count + AT_ONCE && asked < INSTANCES_MAX) {
            asked++;
            (void)snprintf(id, sizeof id, "crs-%06llu", (unsigned long long)asked);
            /* The horizon of number i is queued before attempt i. */
            shelf->port.set_horizon(shelf->port.context, "counted", "rule",
                                    (struct wall){(int64_t)asked});
            if (shelf_start(shelf, asked, id, slot) != 0)
                _exit(1);
            if (asked % 3 == 0 && shelf_end(shelf, id, slot, LEDGER_SUBMITTED) != 0)
                _exit(1);
        }
        (void)uv_run(&shelf->loop, UV_RUN_ONCE);
        for (; passed_on < shelf->told_count; passed_on++) {
            uint32_t number = (uint32_t)shelf->told[passed_on].ticket;
            if (shelf->told[passed_on].outcome != 0 || write(out, &number, sizeof number) < 0)
                _exit(1);
        }
    }
}

static void sleep_us(uint64_t us)
{
    const struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    (void)nanosleep(&t, NULL);
}

/* The highest number that a life told of; they are told in order. */
static uint32_t live_and_die(struct shelf *shelf, int64_t slot, bool while_opening,
                             uint64_t after_us)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        live(shelf, slot, ends[1]);
    }
    (void)close(ends[1]);
    uint32_t number;
    if (!while_opening)
        assert_int_equal(read(ends[0], &number, sizeof number), sizeof number);
    sleep_us(after_us);
    assert_int_equal(kill(child, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it did not end by itself */
    uint32_t highest = 0;
    while (read(ends[0], &number, sizeof number) == (ssize_t)sizeof number) {
        if (number == 0)
            continue;
        assert_int_equal(number, highest + 1);
        highest = number;
    }
    (void)close(ends[0]);
    return highest;
}

struct found {
    bool *there;
    uint32_t count;
    uint32_t highest;
};

static void find(void *context, const struct ledger_row *row)
{
    struct found *found = context;
    uint32_t number = (uint32_t)strtoul(row->instance + 4, NULL, 10);
    assert_true(number >= 1 && number <= INSTANCES_MAX);
    assert_false(found->there[number]);
    found->there[number] = true;
    found->count++;
    if (number > found->highest)
        found->highest = number;
}

static void check_life(struct shelf *shelf, int64_t slot, uint32_t answered, struct found *found)
{
    memset(found->there, 0, (INSTANCES_MAX + 1) * sizeof *found->there);
    found->count = 0;
    found->highest = 0;
    assert_int_equal(shelf_open(shelf), 0);
    assert_int_equal(
        shelf->port.scan(shelf->port.context, "nightly", wall_from_seconds(slot), find, found), 0);
    struct wall horizon = {0};
    int r = shelf->port.horizon(shelf->port.context, "counted", "rule", &horizon);
    assert_true(r == 0 || (r == LEDGER_NO_HORIZON && found->count == 0));
    shelf_close(shelf);
    assert_true(found->count >= answered);
    assert_int_equal(found->count, found->highest); /* none is missing in between */
    if (found->count > 0)
        assert_true(horizon.us >= (int64_t)found->highest);
}

static void test_kills(void **state)
{
    struct shelf shelf;
    struct found found = {.there = calloc(INSTANCES_MAX + 1, sizeof(bool))};
    uint64_t seed = 20261124;
    uint64_t answered_in_all = 0;
    unsigned cut_short = 0; /* lives that left more than they had told */
    int kills = KILLS;
    (void)state;
#ifdef __SANITIZE_THREAD__
    kills = KILLS_UNDER_TSAN;
#endif
    assert_non_null(found.there);
    shelf_make(&shelf);
    for (int i = 0; i < kills; i++) {
        int64_t slot = 1795564800 + i;
        uint32_t answered = live_and_die(&shelf, slot, i % 5 == 0, shelf_random(&seed) % 50000);
        check_life(&shelf, slot, answered, &found);
        answered_in_all += answered;
        cut_short += found.count > answered ? 1 : 0;
    }
    print_message("%d kills, %llu entries answered before them, %u of them between commit and "
                  "answer\n",
                  kills, (unsigned long long)answered_in_all, cut_short);
    assert_true(answered_in_all > (uint64_t)kills);
    shelf_finish(&shelf);
    free(found.there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kills)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
