/* Keys that the cloud refuses: scenarios by hand, an engine and its twin, and an account's gate. */
#include "unit.h"

#include "engine/orders.h"
#include "engine_twin.h"

#include <stdio.h>
#include <string.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND

static void begin(struct twin *twin, int instances, int64_t start_within_s, bool may_change)
{
    twin_init(twin, NOON - 10);
    twin->keys_may_change = may_change;
    twin->keys.generation = 1;
    struct config *config = twin_config();
    struct schedule *schedule = twin_every(config, "nightly", "12h");
    schedule->start_within_us = start_within_s * SECOND;
    for (int i = 0; i < instances; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "crs-i%03d", i);
        twin_add(config, schedule, id, NULL);
    }
    twin_start(twin, config);
}

/* Who may in: keys of this generation and later; `barred` is an instance that is refused by all. */
struct gate {
    uint64_t from;
    const char *code;
    const char *barred;
    int answered;
};

/* Answers what is sent, a tenth of a second at a time. */
static void serve(struct twin *twin, struct gate *gate, int64_t seconds)
{
    for (int64_t i = 0; i < seconds * 10; i++) {
        twin_run(twin, SECOND / 10);
        for (; gate->answered < twin->sent_count; gate->answered++) {
            const struct twin_sent *sent = &twin->sent[gate->answered];
            bool barred = gate->barred != NULL && strstr(sent->body, gate->barred) != NULL;
            if (sent->keys < gate->from || barred)
                twin_refuse(twin, gate->answered, gate->code, -1);
            else
                twin_accept(twin, gate->answered);
        }
    }
}

static void other_keys_lose_nobody(void **state)
{
    (void)state;
    static const char *const codes[] = {"AuthFailure.SecretIdNotFound",
                                        "AuthFailure.InvalidSecretId",
                                        "AuthFailure.SignatureFailure", "AuthFailure.TokenFailure"};
    for (size_t i = 0; i < COUNT(codes); i++) {
        static struct twin twin;
        struct gate gate = {.from = 2, .code = codes[i]};
        begin(&twin, 200, 3600, true);
        serve(&twin, &gate, 12);
        assert_true(twin.sent_count >= 1 && twin.sent_count < 4); /* no more till others come */
        assert_int_equal(twin_count_lines(&twin, "event=credentials_failed"), 1);
        assert_int_equal(twin_count_lines(&twin, codes[i]), 1 + twin.sent_count);
        assert_true(twin.keys_refused > 0);
        assert_string_equal(engine_keys_rejection(twin.engine), codes[i]);
        twin.keys.generation = 2;
        assert_string_equal(engine_keys_rejection(twin.engine), ""); /* not tried yet */
        serve(&twin, &gate, 20);
        assert_string_equal(engine_keys_rejection(twin.engine), "");
        assert_int_equal(twin.ended[LEDGER_SUBMITTED], 200);
        assert_int_equal(twin.ended[LEDGER_FAILED] + twin.ended[LEDGER_MISSED], 0);
        assert_int_equal(twin_count_lines(&twin, "event=credentials_refreshed"), 1);
        twin_finish(&twin);
    }
}

/* The cloud errs for a while: a probe finds out, without any other keys. */
static void the_same_keys_may_serve_again(void **state)
{
    (void)state;
    static struct twin twin;
    struct gate gate = {.from = 2, .code = "AuthFailure.SecretIdNotFound"};
    begin(&twin, 100, 3600, true);
    serve(&twin, &gate, 15);
    int refused = twin.sent_count;
    assert_string_equal(engine_keys_rejection(twin.engine), gate.code);
    gate.from = 1;
    serve(&twin, &gate, 40);
    assert_string_equal(engine_keys_rejection(twin.engine), "");
    assert_int_equal(twin.sent_count, refused + 100);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 100);
    assert_int_equal(twin_count_lines(&twin, "event=credentials_refreshed"), 1);
    twin_finish(&twin);
}

/* An hour of refused keys: a probe a minute, and all have an end. */
static void refused_keys_are_not_hammered(void **state)
{
    (void)state;
    static struct twin twin;
    struct gate gate = {.from = 2, .code = "AuthFailure.SecretIdNotFound"};
    begin(&twin, 100, 3600, true);
    serve(&twin, &gate, 3620);
    assert_true(twin.sent_count > 30);
    assert_true(twin.sent_count < 80);
    assert_int_equal(twin.ended[LEDGER_FAILED] + twin.ended[LEDGER_MISSED], 100);
    assert_true(twin.ended[LEDGER_MISSED] > 50);
    assert_int_equal(twin_count_lines(&twin, "event=credentials_failed"), 1);
    twin_finish(&twin);
}

/* A small fleet: the probes do not use it up, and it runs when other keys are there. */
static void the_wait_is_as_long_as_the_slot(void **state)
{
    (void)state;
    for (int instances = 1; instances <= 4; instances += 3)
        for (int change = 0; change < 2; change++) {
            static struct twin twin;
            struct gate gate = {.from = 2, .code = "AuthFailure.SecretIdNotFound"};
            begin(&twin, instances, 3600, true);
            serve(&twin, &gate, 1800);
            assert_in_range(twin.sent_count, 10, 40);
            assert_int_equal(twin.ended[LEDGER_FAILED] + twin.ended[LEDGER_MISSED], 0);
            if (change > 0)
                twin.keys.generation = 2;
            serve(&twin, &gate, 5);
            assert_int_equal(twin.ended[LEDGER_SUBMITTED], change * instances);
            serve(&twin, &gate, 1815);
            assert_int_equal(twin.ended[LEDGER_SUBMITTED], change * instances);
            assert_int_equal(twin.ended[LEDGER_FAILED] + twin.ended[LEDGER_MISSED],
                             (1 - change) * instances);
            assert_int_equal(twin_count_lines(&twin, "event=credentials_failed"), 1);
            twin_finish(&twin);
        }
}

/* What was sent before the keys were refused may be accepted late: they are refused all the same.
 */
static void a_late_answer_is_no_probe(void **state)
{
    (void)state;
    static struct twin twin;
    begin(&twin, 2, 3600, true);
    twin.keeps_questions = true;
    twin_run(&twin, 10 * SECOND + SECOND / 2);
    assert_int_equal(twin.sent_count, 2);
    twin_refuse(&twin, 1, "AuthFailure.SecretIdNotFound", -1);
    twin_accept(&twin, 0);
    twin_run(&twin, 4 * SECOND);
    assert_int_equal(twin.sent_count, 2);
    assert_string_equal(engine_keys_rejection(twin.engine), "AuthFailure.SecretIdNotFound");
    assert_int_equal(twin_count_lines(&twin, "event=credentials_refreshed"), 0);
    twin_finish(&twin);
}

/* Who alone is refused comes due first; another one shows that the keys serve. */
static void the_probe_is_not_always_the_same(void **state)
{
    (void)state;
    static struct twin twin;
    struct gate gate = {.from = 1, .code = "AuthFailure.SignatureFailure", .barred = "crs-barred"};
    twin_init(&twin, NOON - 10);
    twin.keys_may_change = true;
    twin.keys.generation = 1;
    struct config *config = twin_config();
    twin_add(config, twin_every(config, "barred", "12h"), "crs-barred", NULL);
    twin_add(config, twin_every(config, "good", "7m"), "crs-good", NULL);
    for (uint32_t i = 0; i < 2; i++)
        config->schedules[i].start_within_us = 3600 * SECOND;
    twin_start(&twin, config);
    serve(&twin, &gate, 900);
    assert_true(twin.ended[LEDGER_SUBMITTED] > 0);
    assert_int_equal(twin.ended[LEDGER_FAILED], 1);
    twin_finish(&twin);
}

/* Keys that cannot change, or no time to wait for others: the first refusal is the last word. */
static void without_a_way_to_other_keys_it_fails_at_once(void **state)
{
    (void)state;
    static struct twin twin;
    for (int i = 0; i < 2; i++) {
        struct gate gate = {.from = 2, .code = "AuthFailure.SecretIdNotFound"};
        begin(&twin, 3, i == 0 ? 3600 : 6, i == 1);
        serve(&twin, &gate, 17);
        assert_int_equal(twin.ended[LEDGER_FAILED] + twin.ended[LEDGER_MISSED], 3);
        assert_in_range(twin.ended[LEDGER_FAILED], i == 0 ? 3 : 1, 3);
        assert_int_equal(twin_count_lines(&twin, "attempt=1 reason=refused"),
                         twin.ended[LEDGER_FAILED]);
        assert_int_equal(twin_count_lines(&twin, "event=backup_retry"), 0);
        twin_finish(&twin);
    }
}

/* Who alone is refused, by keys that serve all others, holds nobody up for long. */
static void one_that_is_refused_is_not_the_keys(void **state)
{
    (void)state;
    static struct twin twin;
    struct gate gate = {.from = 1, .code = "AuthFailure.SignatureFailure", .barred = "crs-i003"};
    begin(&twin, 40, 3600, true);
    serve(&twin, &gate, 40);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 39);
    assert_int_equal(twin.ended[LEDGER_FAILED], 1);
    assert_int_equal(twin_count_sent(&twin, "crs-i003"), 2);
    assert_int_equal(twin_count_lines(&twin, "event=credentials_failed"), 1);
    assert_int_equal(twin_count_lines(&twin, "event=credentials_refreshed"), 1);
    twin_finish(&twin);
}

/* What the keys may not do waits for other keys, and for nothing else. */
static void what_is_not_allowed_waits_for_other_keys(void **state)
{
    (void)state;
    for (int change = 0; change < 2; change++) {
        static struct twin twin;
        struct gate gate = {.from = 2, .code = "AuthFailure.UnauthorizedOperation"};
        begin(&twin, 3, 3600, true);
        serve(&twin, &gate, 12);
        assert_int_equal(twin.sent_count, 3);
        assert_int_equal(twin_count_lines(&twin, "event=credentials_failed"), 0);
        if (change > 0)
            twin.keys.generation = 2;
        serve(&twin, &gate, 20);
        assert_int_equal(twin.sent_count, 3 + 3 * change);
        assert_int_equal(twin.ended[LEDGER_SUBMITTED], 3 * change);
        assert_int_equal(twin.ended[LEDGER_FAILED], 3 - 3 * change);
        twin_finish(&twin);
    }
}

/* What was refused for certain is not in doubt after a crash. */
static void a_restart_tries_again(void **state)
{
    (void)state;
    static struct twin twin;
    struct gate gate = {.from = 2, .code = "AuthFailure.SecretIdNotFound"};
    twin_init(&twin, NOON - 10);
    for (int life = 0; life < 2; life++) {
        struct config *config = twin_config();
        struct schedule *schedule = twin_every(config, "nightly", "1h");
        twin_add(config, schedule, "crs-a", NULL);
        twin.keys_may_change = true;
        twin.keys.generation = (uint64_t)life + 1;
        if (life == 0)
            twin_make_durable(&twin);
        twin_start(&twin, config);
        serve(&twin, &gate, 12);
        if (life == 0)
            twin_crash(&twin, 0);
    }
    assert_int_equal(twin_count_lines(&twin, "event=backup_unknown"), 0);
    assert_int_equal(twin.sent_count, 2);
    assert_int_equal(twin.ended[LEDGER_SUBMITTED], 1);
    twin_finish(&twin);
}

/* Runs that were prepared for an instant which has moved away are no probes, nor in the way of one.
 */
static void a_clock_set_back_leaves_a_probe(void **state)
{
    (void)state;
    static struct twin twin;
    struct gate gate = {.from = 2, .code = "AuthFailure.SecretIdNotFound"};
    begin(&twin, 20, 3600, true);
    twin_run(&twin, 9 * SECOND); /* some are prepared for noon */
    twin.now.wall = wall_add_us(twin.now.wall, -60 * SECOND);
    twin_step(&twin);
    const uint32_t first = 0;
    struct wall slot = engine_order_slot(twin.engine, twin.now);
    assert_int_equal(engine_order(twin.engine, slot, 0, &first, 1, NULL), 0);
    serve(&twin, &gate, 40);
    assert_in_range(twin.sent_count, 2, 6); /* the first, and its probes */
    twin_finish(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_keys_lose_nobody),
        cmocka_unit_test(the_same_keys_may_serve_again),
        cmocka_unit_test(refused_keys_are_not_hammered),
        cmocka_unit_test(the_wait_is_as_long_as_the_slot),
        cmocka_unit_test(the_probe_is_not_always_the_same),
        cmocka_unit_test(a_late_answer_is_no_probe),
        cmocka_unit_test(without_a_way_to_other_keys_it_fails_at_once),
        cmocka_unit_test(one_that_is_refused_is_not_the_keys),
        cmocka_unit_test(what_is_not_allowed_waits_for_other_keys),
        cmocka_unit_test(a_restart_tries_again),
        cmocka_unit_test(a_clock_set_back_leaves_a_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
