/*
 * Orphans: attempts without an end whose slot has one, and ends that the ledger did not take. What
 * came due ends in a backup or in a line, however often the process dies.
 */
#include "unit.h"

#include "engine/open_slot.h"
#include "engine_twin.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define LOCKED "ResourceUnavailable.InstanceLockedError"

static struct config *of(const char *name, bool paused, const char *const *ids)
{
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, name, "1h");
    schedule->paused = paused;
    for (; *ids != NULL; ids++)
        twin_add(config, schedule, *ids, NULL);
    return config;
}

static const char *const one[] = {"crs-a", NULL};
static const char *const second[] = {"crs-b", NULL};
static const char *const two[] = {"crs-a", "crs-b", NULL};
static const char *const ten[] = {"crs-0", "crs-1", "crs-2", "crs-3", "crs-4", "crs-5",
                                  "crs-6", "crs-7", "crs-8", "crs-9", NULL};

/* The noon slot of a schedule is opened, and its first request is out. */
static void begin(struct twin *twin, struct config *config)
{
    twin_init(twin, NOON - 10);
    twin->keeps_questions = true;
    twin_make_durable(twin);
    twin_start(twin, config);
    twin_run(twin, 10 * SECOND + 20000);
    assert_int_equal(twin->sent_count, 1);
}

/* The cloud has nothing of what is looked for. */
static void find_nothing(struct twin *twin, int64_t us)
{
    for (int64_t i = 0; i < us / SECOND; i++) {
        twin_run(twin, SECOND);
        int n = twin_find(twin, "DescribeTaskList");
        if (n >= 0)
            twin_answer(twin, n, "\"TotalCount\":0,\"Tasks\":[]");
        n = twin_find(twin, "DescribeInstanceBackups");
        if (n >= 0)
            twin_answer(twin, n, "\"TotalCount\":0,\"BackupSet\":[]");
    }
}

static const struct twin_entry *last_of(const struct twin *twin, const char *instance)
{
    for (int i = twin->log_count; i-- > 0;)
        if (!twin->log[i].is_horizon && strcmp(twin->log[i].instance, instance) == 0)
            return &twin->log[i];
    assert(false);
    return NULL;
}

static bool slot_is_open(const struct twin *twin, int64_t at)
{
    for (int i = twin->log_count; i-- > 0;)
        if (!twin->log[i].is_horizon && twin->log[i].slot.us == at * SECOND
            && strcmp(twin->log[i].instance, LEDGER_WHOLE_SLOT) == 0)
            return twin->log[i].kind == LEDGER_STARTED;
    return false;
}

static bool is_open(const struct twin *twin)
{
    return slot_is_open(twin, NOON);
}

/* What docs/ledger-recovery.md does to a slot that is open. */
static void close_by_hand(struct twin *twin)
{
    for (int i = 0; i < twin->log_count; i++)
        if (strcmp(twin->log[i].instance, LEDGER_WHOLE_SLOT) == 0 && !twin->log[i].is_horizon)
            twin->log[i].attempt += OPEN_SLOT_CLOSED;
}

/*
 * An attempt of crs-a without an end, whose slot has one: it is sent once more, waits for a lock,
 * and survives a stop and a crash from then on till its backup is there.
 */
static void goes_on(struct twin *twin, const char *const *ids)
{
    int n = twin->sent_count;
    int submitted = twin->ended[LEDGER_SUBMITTED];
    assert_false(is_open(twin));
    assert_int_equal(last_of(twin, "crs-a")->kind, LEDGER_STARTED);
    twin_start(twin, of("nightly", false, ids));
    find_nothing(twin, 70 * SECOND);
    assert_int_equal(twin->sent_count, n + 1);
    twin_refuse(twin, n, LOCKED, -1);
    assert_true(is_open(twin));
    engine_drain(twin->engine, twin->now);
    twin_crash(twin, 0);
    twin_start(twin, of("nightly", false, ids));
    assert_int_equal(twin_count_lines(twin, "event=slot_resumed schedule=nightly"), 1);
    twin_run(twin, 5 * SECOND);
    assert_int_equal(twin->sent_count, n + 2);
    twin_refuse(twin, n + 1, LOCKED, -1);
    twin_crash(twin, 0);
    twin_start(twin, of("nightly", false, ids));
    twin_run(twin, 5 * SECOND);
    assert_int_equal(twin->sent_count, n + 3);
    twin_accept(twin, n + 2);
    assert_false(is_open(twin));
    assert_int_equal(twin->ended[LEDGER_SUBMITTED], submitted + 1);
    assert_int_equal(twin_count_lines(twin, "event=backup_submitted"), submitted + 1);
    twin_finish(twin);
}

static void paused_for_a_life(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, of("nightly", false, one));
    twin_crash(&twin, 0);
    twin_start(&twin, of("nightly", true, one));
    twin_run(&twin, 5 * SECOND);
    twin_crash(&twin, 0);
    goes_on(&twin, one);
}

static void removed_for_a_life(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, of("nightly", false, two));
    twin_run(&twin, SECOND);
    assert_int_equal(twin_count_sent(&twin, "crs-b"), 1);
    twin_accept(&twin, strstr(twin.sent[0].body, "crs-b") != NULL ? 0 : 1);
    twin_crash(&twin, 0);
    twin_start(&twin, of("nightly", false, second));
    twin_run(&twin, 5 * SECOND);
    twin_crash(&twin, 0);
    goes_on(&twin, two);
}

static void schedule_gone_for_a_life(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, of("nightly", false, one));
    twin_crash(&twin, 0);
    twin_start(&twin, of("weekly", true, one));
    twin_run(&twin, 5 * SECOND);
    twin_crash(&twin, 0);
    goes_on(&twin, one);
}

/* ---- by hand ---- */

static struct config *one_by_one(void)
{
    struct config *config = of("nightly", false, ten);
    config->max_in_flight = 1;
    return config;
}

/* How many of the ten have an attempt without an end. */
static int count_started(const struct twin *twin)
{
    int count = 0;
    for (int i = 0; i < 10; i++)
        for (int j = twin->log_count; j-- > 0;) {
            if (twin->log[j].is_horizon || strcmp(twin->log[j].instance, ten[i]) != 0)
                continue;
            count += twin->log[j].kind == LEDGER_STARTED;
            break;
        }
    return count;
}

static void closed_by_hand(void **state)
{
    (void)state;
    static struct twin twin;
    char line[128];
    begin(&twin, one_by_one());
    twin_refuse(&twin, 0, LOCKED, -1); /* it is due again, */
    twin_run(&twin, SECOND);
    assert_int_equal(twin.sent_count, 2); /* the second may have begun a backup, some are ready */
    int started = count_started(&twin);
    assert_in_range(started, 2, 8); /* and some never were */
    twin_crash(&twin, 0);
    close_by_hand(&twin);
    twin_start(&twin, one_by_one());
    (void)snprintf(line, sizeof line,
                   "backup_missed schedule=nightly slot=2026-11-01T12:00:00Z instances=%d "
                   "reason=closed",
                   10 - started);
    assert_int_equal(twin_count_lines(&twin, line), 1);
    assert_int_equal(twin.ended[LEDGER_MISSED], 1); /* the one that was due again */
    assert_int_equal(twin_count_lines(&twin, "event=backup_unknown"), started);
    assert_false(is_open(&twin));
    find_nothing(&twin, 50 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    int sent = 2;
    for (int i = 0; i < 30; i++) { /* those who are not there are sent again, in vain */
        find_nothing(&twin, SECOND);
        for (; sent < twin.sent_count; sent++)
            twin_refuse(&twin, sent, LOCKED, -1);
    }
    assert_in_range(sent, 2 + started, 40);
    assert_true(is_open(&twin));
    twin_crash(&twin, 0);
    twin_start(&twin, of("nightly", false, ten));
    assert_int_equal(twin_count_lines(&twin, "reason=closed"), 1);
    for (int i = 0; i < 90; i++) {
        find_nothing(&twin, SECOND);
        for (; sent < twin.sent_count; sent++)
            twin_accept(&twin, sent);
    }
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], started); /* and of the others nobody */
    assert_false(is_open(&twin));
    twin_finish(&twin);
}

/* ---- what the ledger does not take ---- */

/* The slot cannot be opened again in the ledger: the attempt stays without an end. */
static void a_slot_that_cannot_be_opened_again(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, of("nightly", false, one));
    twin_crash(&twin, 0);
    twin_start(&twin, of("nightly", true, one));
    twin_run(&twin, 5 * SECOND);
    twin_crash(&twin, 0);
    twin_start(&twin, of("nightly", false, one));
    find_nothing(&twin, 50 * SECOND);
    assert_int_equal(twin.sent_count, 1);
    twin.ledger_refuses_next = 1;
    find_nothing(&twin, 20 * SECOND);
    assert_int_equal(twin.ledger_refuses_next, 0);
    assert_int_equal(twin.sent_count, 2);
    assert_false(is_open(&twin));
    assert_int_equal(last_of(&twin, "crs-a")->kind, LEDGER_STARTED);
    twin_refuse(&twin, 1, LOCKED, -1);
    assert_true(is_open(&twin));
    assert_int_equal(last_of(&twin, "crs-a")->result, LEDGER_AGAIN);
    twin_finish(&twin);
}

/* The end of a member is lost to the ledger: the next start finds its slot, and ends it. */
static void an_end_that_was_not_taken(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, of("nightly", false, one));
    twin_refuse(&twin, 0, LOCKED, -1);
    twin.keys_gone = true; /* nothing is sent till its time is over */
    twin_run(&twin, 3599 * SECOND + SECOND / 2);
    assert_int_equal(twin_count_lines(&twin, "event=backup_failed"), 0);
    twin.ledger_refuses_next = 1;
    twin_run(&twin, SECOND);
    assert_int_equal(twin.ledger_refuses_next, 0);
    assert_int_equal(twin_count_lines(&twin, "event=backup_failed"), 1);
    assert_int_equal(twin.ended[LEDGER_FAILED], 0);
    assert_true(slot_is_open(&twin, NOON));
    twin.keys_gone = false;
    twin_crash(&twin, 0);
    twin_start(&twin, of("nightly", false, one));
    find_nothing(&twin, 70 * SECOND);
    assert_int_equal(twin.ended[LEDGER_FAILED], 1);
    assert_false(slot_is_open(&twin, NOON));
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paused_for_a_life),
        cmocka_unit_test(removed_for_a_life),
        cmocka_unit_test(schedule_gone_for_a_life),
        cmocka_unit_test(closed_by_hand),
        cmocka_unit_test(a_slot_that_cannot_be_opened_again),
        cmocka_unit_test(an_end_that_was_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
