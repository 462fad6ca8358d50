/*
 * The facts of tests/data/cron-cases.jsonl, each against cron_parse() and cron_next(): with the
 * zones that were kept with them, since the law may change what a clock shows after a fact was
 * written down; with the installed zones where these still show the same; and with every table cut
 * at 2026, so that the footer alone speaks, for zones whose rule did not change after.
 */
#include "unit.h"

#include "base/civil.h"
#include "base/cron.h"
#include "zone_file.h"

#include <stdio.h>
#include <stdlib.h>

#define ROW_SLOTS_MAX 16
#define CUT_SECOND INT64_C(1767225600) /* 2026-01-01T00:00:00Z */

enum row_kind {
    ROW_NEXT,    /* the slots after `from` are these, one after the other */
    ROW_INVALID, /* refused */
    ROW_WINDOW,  /* the slots in (from, until] are exactly these */
    ROW_MATCH,   /* this is the first slot after `from` */
    ROW_NOMATCH, /* this instant is no slot */
    ROW_NEVER,   /* no slot comes */
};

struct cron_row {
    const char *id;
    enum row_kind kind;
    const char *expression;
    const char *zone;
    int64_t from;
    int64_t until;
    int count;
    int64_t slots[ROW_SLOTS_MAX];
};

#include "cron_rows.h"

static void complain(const struct cron_row *row, const char *what, int64_t got)
{
    char a[CIVIL_TEXT_MAX];
    char b[CIVIL_TEXT_MAX];
    (void)fprintf(stderr, "%s '%s' in %s from %s: %s %s\n", row->id, row->expression, row->zone,
                  civil_format_utc(wall_from_seconds(row->from), a), what,
                  civil_format_utc(wall_from_seconds(got), b));
}

static bool slots_hold(const struct cron_row *row, const struct cron *cron, const struct zone *zone)
{
    int64_t at = row->from;
    for (int i = 0; i < row->count; i++) {
        struct cron_slot slot = {INT64_MAX, false};
        if (cron_next(cron, zone, at, &slot) != 0 || slot.second != row->slots[i]) {
            complain(row, "got", slot.second);
            return false;
        }
        at = slot.second;
    }
    struct cron_slot slot;
    if (row->kind == ROW_WINDOW && cron_next(cron, zone, at, &slot) == 0
        && slot.second <= row->until) {
        complain(row, "one too many,", slot.second);
        return false;
    }
    return true;
}

static bool row_holds(const struct cron_row *row, const struct zone *zone)
{
    struct cron cron;
    struct errtext err = {""};
    int outcome = cron_parse(row->expression, &cron, &err);
    if (row->kind == ROW_INVALID) {
        if (outcome < 0 && err.text[0] != '\0' && strlen(err.text) < 200)
            return true;
        complain(row, "was accepted", 0);
        return false;
    }
    if (outcome != 0) {
        complain(row, err.text, 0);
        return false;
    }
    struct cron_slot slot = {INT64_MAX, false};
    switch (row->kind) {
    case ROW_NEVER:
        return cron_next(&cron, zone, row->from, &slot) == CRON_NEVER;
    case ROW_NOMATCH:
        return cron_next(&cron, zone, row->slots[0] - 1, &slot) != 0
               || slot.second != row->slots[0];
    case ROW_NEXT:
    case ROW_WINDOW:
    case ROW_MATCH:
    case ROW_INVALID:
        break;
    }
    return slots_hold(row, &cron, zone);
}

static void rows_hold(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < COUNT(cron_rows); i++) {
        struct zone *zone = zone_file_load(ZONE_DIRECTORY_KEPT, cron_rows[i].zone, INT64_MAX);
        failed += !row_holds(&cron_rows[i], zone);
        zone_destroy(zone);
    }
    assert_int_equal(failed, 0);
    assert_int_equal(COUNT(cron_rows), 615);
}

/* True where both zones show the same changes in (from, until]. */
static bool agree(const struct zone *one, const struct zone *other, int64_t from, int64_t until)
{
    for (int64_t at = from; at < until;) {
        struct zone_change a = {.at = INT64_MAX};
        struct zone_change b = {.at = INT64_MAX};
        bool more = zone_next_change(one, at, &a);
        if (zone_next_change(other, at, &b) != more)
            return false;
        if (a.at != b.at || a.after != b.after)
            return a.at > until && b.at > until;
        at = a.at;
    }
    return true;
}

static void rows_hold_with_the_installed_zones(void **state)
{
    (void)state;
    int failed = 0;
    int skipped = 0;
    for (size_t i = 0; i < COUNT(cron_rows); i++) {
        const struct cron_row *row = &cron_rows[i];
        struct zone *kept = zone_file_load(ZONE_DIRECTORY_KEPT, row->zone, INT64_MAX);
        struct zone *installed = zone_file_load(ZONE_DIRECTORY, row->zone, INT64_MAX);
        int64_t last = row->count > 0 ? row->slots[row->count - 1] : row->from;
        if (agree(kept, installed, row->from - 7 * SECONDS_PER_DAY, last + 7 * SECONDS_PER_DAY))
            failed += !row_holds(row, installed);
        else
            skipped++;
        zone_destroy(kept);
        zone_destroy(installed);
    }
    assert_int_equal(failed, 0);
    assert_true(skipped < 100);
}

/* Zones whose table beyond the cut follows the moon, which no rule can tell. */
static bool follows_the_moon(const char *zone)
{
    return strcmp(zone, "Africa/Casablanca") == 0 || strcmp(zone, "Asia/Hebron") == 0;
}

static void rows_hold_with_the_footer_alone(void **state)
{
    (void)state;
    int failed = 0;
    int skipped = 0;
    const int64_t end = civil_days(2100, 1, 1) * SECONDS_PER_DAY;
    for (size_t i = 0; i < COUNT(cron_rows); i++) {
        const char *name = cron_rows[i].zone;
        struct zone *whole = zone_file_load(ZONE_DIRECTORY_KEPT, name, INT64_MAX);
        struct zone *cut = zone_file_load(ZONE_DIRECTORY_KEPT, name, CUT_SECOND);
        bool same = agree(whole, cut, CUT_SECOND - 1, end);
        assert_int_equal(same, !follows_the_moon(name));
        if (same)
            failed += !row_holds(&cron_rows[i], cut);
        else
            skipped++;
        zone_destroy(whole);
        zone_destroy(cut);
    }
    assert_int_equal(failed, 0);
    assert_int_equal(skipped, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_hold),
        cmocka_unit_test(rows_hold_with_the_installed_zones),
        cmocka_unit_test(rows_hold_with_the_footer_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
