/* Places: dead hosts take none from those that live. */
#include "unit.h"

#include "engine_twin.h"

#include <stdio.h>
#include <string.h>

#define NOON INT64_C(1793534400) /* 2026-11-01T12:00:00Z */
#define SECOND US_PER_SECOND
#define LIVE "https://live.example.com/"
#define HOSTS 12
#define EACH 9 /* instances of a host that dies: enough to open its breaker */

static struct twin twin;
static char ids[HOSTS * EACH + 60][16];

/* Hosts that are silent from noon on; and one that lives, with backups an hour later. */
static void begin(int32_t places, int hosts)
{
    twin_init(&twin, NOON - 10);
    twin.keeps_questions = true;
    struct config *config = twin_config();
    config->max_in_flight = places;
    struct schedule *dead = twin_every(config, "dead", "12h");
    dead->start_within_us = 4 * 3600 * SECOND;
    for (int i = 0; i < hosts * EACH; i++) {
        char url[64];
        (void)snprintf(url, sizeof url, "https://dead%d.example.com/", i / EACH);
        (void)snprintf(ids[i], sizeof ids[i], "crs-d%03d", i);
        twin_add(config, dead, ids[i], url);
    }
    struct schedule *live = twin_every(config, "live", "1h");
    live->start_within_us = 1200 * SECOND;
    for (int i = 0; i < 60; i++) {
        char *id = ids[HOSTS * EACH + i];
        (void)snprintf(id, sizeof ids[i], "crs-l%03d", i);
        twin_add(config, live, id, LIVE);
    }
    twin_start(&twin, config);
}

static bool is_late(const struct twin_sent *sent, int64_t us)
{
    return !sent->answered && wall_diff_us(twin.now.wall, sent->at.wall) >= us;
}

/* What goes to a dead host is lost after thirty seconds, what goes to the other is answered. */
static void live(int64_t seconds)
{
    for (int64_t second = 0; second < seconds; second++) {
        twin_run(&twin, SECOND);
        for (int i = 0, count = twin.sent_count; i < count; i++)
            if (strcmp(twin.sent[i].url, LIVE) == 0 && is_late(&twin.sent[i], 0))
                twin_accept(&twin, i);
            else if (is_late(&twin.sent[i], 30 * SECOND))
                twin_lose(&twin, i, EXCHANGE_LOST);
        int oldest = twin.asked_count > TWIN_SENT_MAX ? twin.asked_count - TWIN_SENT_MAX : 0;
        for (int i = oldest, count = twin.asked_count; i < count; i++) {
            const struct twin_sent *asked = &twin.asked[i % TWIN_SENT_MAX];
            if (strcmp(asked->url, LIVE) == 0 && is_late(asked, 0))
                twin_answer(&twin, i, "\"Status\":\"succeed\"");
            else if (is_late(asked, 30 * SECOND))
                twin_lose_question(&twin, i, EXCHANGE_LOST);
        }
    }
}

static void probes_leave_places_to_hosts_that_live(void **state)
{
    (void)state;
    static const struct {
        int32_t places;
        int hosts;
    } rows[] = {{4, HOSTS}, {1, 2}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        begin(rows[i].places, rows[i].hosts);
        live(3590);
        int ended = twin.finished[LEDGER_SUCCEEDED];
        live(1230);
        assert_int_equal(twin.ended[LEDGER_MISSED], 0);
        assert_true(twin.finished[LEDGER_SUCCEEDED] - ended >= 50);
        twin_finish(&twin);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_leave_places_to_hosts_that_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
