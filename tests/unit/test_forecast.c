/*
 * The forecast of the load: by table where the numbers can be done in the head, and by chance
 * against a queue that moves request by request.
 */
#include "unit.h"

#include "base/digest.h"
#include "base/heap.h"
#include "engine/forecast.h"
#include "engine/forecast_load.h"
#include "engine/forecast_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND US_PER_SECOND
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define FROM INT64_C(1795460400) /* 2026-11-23T19:00:00Z */
#define FROM_MINUTE (FROM / 60)
#define SCHEDULES_MAX 8

static struct wall at(int64_t second)
{
    return wall_from_seconds(FROM + second);
}

/* One schedule of a table; every = 0 ends the list. */
struct plan {
    int64_t every_us;
    int64_t spread_us;
    int64_t within_us;
    uint32_t count;
    uint32_t host;
    bool paused;
};

static void add(struct config *config, size_t number, const struct plan *plan)
{
    struct schedule *schedule;
    char text[32];
    assert_int_equal(config_add_schedule(config, &schedule), 0);
    (void)snprintf(text, sizeof text, "s%zu", number);
    assert_int_equal(config_string(config, text, strlen(text), false, &schedule->name), 0);
    schedule->when_text = "a period";
    schedule->zone_name = "UTC";
    schedule->when = (struct recurrence){
        .kind = RECURRENCE_EVERY, .zone = zone_utc(), .period_us = plan->every_us};
    schedule->spread_us = plan->spread_us;
    schedule->start_within_us = plan->within_us;
    schedule->paused = plan->paused;
    for (uint32_t i = 0; i < plan->count; i++) {
        struct instance *instance;
        assert_int_equal(config_add_instance(config, schedule, &instance), 0);
        (void)snprintf(text, sizeof text, "crs-%u", i);
        assert_int_equal(config_string(config, text, strlen(text), false, &instance->id), 0);
        instance->region = instance->remark = "";
        instance->host = plan->host;
    }
}

static struct config *config_of(const struct plan *plans, int32_t per_second)
{
    struct config *config;
    uint32_t host;
    assert_int_equal(config_create(&config), 0);
    config->per_second = per_second;
    assert_int_equal(config_add_host(config, "https://one/", &host), 0);
    assert_int_equal(config_add_host(config, "https://two/", &host), 0);
    for (size_t i = 0; i < SCHEDULES_MAX && plans[i].every_us > 0; i++)
        add(config, i, &plans[i]);
    assert_int_equal(config_freeze(config), 0);
    return config;
}

/* ---- tables ---- */

struct load_row {
    const char *name;
    struct plan plans[4];
    int32_t per_second;
    int64_t from; /* seconds after FROM */
    int hours;
    uint64_t due;
    uint64_t missed;
    int64_t drain_us; /* longest */
    size_t minutes;
    uint64_t share_missed[3];
    uint32_t alone_missed[3];
};

/* clang-format off */
/* FROM is 19:00:00; the next multiples of 6 h are 00:00, 06:00, 12:00, 18:00. */
static const struct load_row rows[] = {
    {"nothing at all", {{0}}, 20, 0, 24, 0, 0, 0, 0, {0}, {0}},
    {"no instance", {{HOUR, 0, HOUR, 0, 0, false}}, 20, 0, 24, 0, 0, 0, 0, {0}, {0}},
    {"paused", {{HOUR, 0, HOUR, 9, 0, true}}, 20, 0, 24, 0, 0, 0, 0, {0}, {0}},
    {"one", {{6 * HOUR, 0, HOUR, 1, 0, false}}, 20, 0, 24, 4, 0, 50000, 4, {0}, {0}},
    {"fifty thousand: 41 minutes 40 seconds",
     {{24 * HOUR, 0, 41 * MINUTE + 40 * SECOND, 50000, 0, false}},
     20, 0, 24, 50000, 0, 2500 * SECOND, 1, {0}, {0}},
    {"the last leaves 50 ms before the end of that",
     {{24 * HOUR, 0, 2500 * SECOND - 50000, 50000, 0, false}},
     20, 0, 24, 50000, 1, 2500 * SECOND - 50000, 1, {1}, {1}},
    {"and is in time a microsecond later",
     {{24 * HOUR, 0, 2500 * SECOND - 49999, 50000, 0, false}},
     20, 0, 24, 50000, 0, 2500 * SECOND, 1, {0}, {0}},
    {"half an hour for them", {{24 * HOUR, 0, 30 * MINUTE, 50000, 0, false}},
     20, 0, 24, 50000, 14000, 1800 * SECOND, 1, {14000}, {14000}},
    {"a rate that does not divide a second", {{24 * HOUR, 0, HOUR, 7, 0, false}},
     7, 0, 24, 7, 0, SECOND, 1, {0}, {0}},
    {"at seven a second one takes 142858 us, rounded up", {{24 * HOUR, 0, HOUR, 1, 0, false}},
     7, 0, 24, 1, 0, 142858, 1, {0}, {0}},
    {"two take turns, so both lose the same",
     {{24 * HOUR, 0, 10 * SECOND, 150, 0, false}, {24 * HOUR, 0, 10 * SECOND, 150, 0, false}},
     20, 0, 24, 300, 100, 10 * SECOND, 1, {50, 50}, {0, 0}},
    {"the small one is through first",
     {{24 * HOUR, 0, 10 * SECOND, 190, 0, false}, {24 * HOUR, 0, 10 * SECOND, 30, 0, false}},
     20, 0, 24, 220, 20, 10 * SECOND, 1, {20, 0}, {0, 0}},
    {"the impatient one gives up, the other goes on",
     {{24 * HOUR, 0, SECOND, 20, 0, false}, {24 * HOUR, 0, HOUR, 100, 0, false}},
     20, 0, 24, 120, 10, 5 * SECOND + 500000, 1, {10, 0}, {0, 0}},
    {"hosts do not hold each other up",
     {{24 * HOUR, 0, 10 * SECOND, 150, 0, false}, {24 * HOUR, 0, 10 * SECOND, 150, 1, false}},
     20, 0, 24, 150, 0, 7 * SECOND + 500000, 1, {0}, {0}},
    {"older slots go first: the queue of the hour is in the way of the next",
     {{HOUR, 0, HOUR + 30 * MINUTE, 108000, 0, false}},
     20, 0, 2, 216000, 36000, HOUR + 30 * MINUTE, 2, {36000}, {0}},
    {"the first minute of the span is a part of one", {{MINUTE, 0, HOUR, 1, 0, false}},
     20, 30, 1, 60, 0, 50000, 60, {0}, {0}},
    {"(from, until]", {{HOUR, 0, HOUR, 1, 0, false}}, 20, 0, 24, 24, 0, 50000, 24, {0}, {0}},
    {"every second", {{SECOND, 0, HOUR, 1, 0, false}}, 20, 0, 24, 86400, 0, 59 * SECOND + 50000,
     1441, {0}, {0}},
    {"a thousand a second", {{SECOND, 0, SECOND, 1000, 0, false}}, 1000, 0, 1, 3600000, 0,
     60 * SECOND, 61, {0}, {0}},
};
/* clang-format on */

static void load_is_as_in_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct load_row *row = &rows[i];
        struct config *config = config_of(row->plans, row->per_second);
        struct load load;
        assert_int_equal(load_forecast(config, at(row->from), row->hours, &load), 0);
        const struct load_host *host = &load.hosts[0];
        bool right = host->due == row->due && host->missed == row->missed
                     && host->longest_drain_us == row->drain_us
                     && host->minute_count == row->minutes && !host->cut;
        for (size_t s = 0; s < host->share_count; s++)
            right = right && host->shares[s].missed == row->share_missed[s]
                    && host->shares[s].alone_missed == row->alone_missed[s];
        if (!right)
            fail_msg("%s: due %llu missed %llu drain %lld minutes %zu", row->name,
                     (unsigned long long)host->due, (unsigned long long)host->missed,
                     (long long)host->longest_drain_us, host->minute_count);
        load_finish(&load);
        load_finish(&load);
        config_unref(config);
    }
}

static void minutes_are_those_of_the_slots(void **state)
{
    (void)state;
    const struct plan plans[SCHEDULES_MAX] = {{6 * HOUR, 0, HOUR, 2400, 0, false},
                                              {4 * HOUR, 0, HOUR, 7, 0, false}};
    struct config *config = config_of(plans, 20);
    struct load load;
    assert_int_equal(load_forecast(config, at(0), 12, &load), 0);
    const struct load_host *host = &load.hosts[0];
    static const int64_t minutes[] = {60, 300, 540, 660};
    static const uint32_t due[] = {7, 2407, 7, 2400};
    assert_int_equal(host->minute_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(host->minutes[i].minute, FROM_MINUTE + minutes[i]);
        assert_int_equal(host->minutes[i].due, due[i]);
        assert_int_equal(host->minutes[i].drain_us, due[i] * SECOND / 20);
        assert_int_equal(host->minutes[i].drained.us,
                         at(minutes[i] * 60).us + due[i] * SECOND / 20);
    }
    bool late = true;
    assert_int_equal(load_due_between(host, FROM_MINUTE, FROM_MINUTE + 721, &late), 4821);
    assert_int_equal(load_due_between(host, FROM_MINUTE + 300, FROM_MINUTE + 301, &late), 2407);
    assert_int_equal(load_due_between(host, FROM_MINUTE + 301, FROM_MINUTE + 540, &late), 0);
    assert_false(late);
    load_finish(&load);
    config_unref(config);
}

static void the_one_in_the_way_is_named(void **state)
{
    (void)state;
    const struct plan plans[SCHEDULES_MAX] = {{24 * HOUR, 0, HOUR, 30, 0, false},
                                              {24 * HOUR, 0, 30 * SECOND, 500, 0, false},
                                              {24 * HOUR, 0, HOUR, 2000, 0, false}};
    struct config *config = config_of(plans, 20);
    struct load load;
    assert_int_equal(load_forecast(config, at(0), 24, &load), 0);
    const struct load_share *share = &load.hosts[0].shares[1];
    assert_int_equal(share->alone_missed, 0);
    assert_true(share->missed > 0);
    assert_string_equal(share->behind->name, "s2");
    assert_int_equal(share->first_missed.us, at(5 * 3600).us);
    load_finish(&load);
    config_unref(config);
}

/* ---- against a queue that moves request by request ---- */

struct naive {
    uint64_t due;
    uint64_t missed[SCHEDULES_MAX];
    int64_t free_ticks;
};

/* Requests by due instant; of one instant, one of each slot of each plan after the other. */
struct waiting {
    struct heap_node node;
    const struct plan *plan;
    size_t number;
    int64_t slot;
    const int64_t *delays;
    uint32_t next;
    bool leads; /* no request of it was before the beginning */
};

static int compare_delays(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int64_t *delays_of(const struct config *config, size_t number, struct digest *digest)
{
    const struct schedule *schedule = &config->schedules[number];
    int64_t *delays = calloc(schedule->instance_count + 1, sizeof *delays);
    assert_non_null(delays);
    for (uint32_t i = 0; i < schedule->instance_count; i++)
        assert_int_equal(schedule_delay(digest, schedule, &schedule->instances[i], &delays[i]), 0);
    qsort(delays, schedule->instance_count, sizeof *delays, compare_delays);
    return delays;
}

/* Queues a slot from its first request after the beginning on; true where that is its very first.
 */
static bool naive_open(struct heap *heap, const struct plan *plan, size_t number, int64_t slot,
                       const int64_t *delays)
{
    struct waiting *w = calloc(1, sizeof *w);
    assert_non_null(w);
    *w = (struct waiting){{0}, plan, number, slot, delays, 0, false};
    while (w->next < plan->count && slot + delays[w->next] <= 0)
        w->next++;
    w->leads = w->next == 0;
    if (w->next == plan->count) {
        free(w);
        return false;
    }
    assert_int_equal(heap_push(heap, &w->node, slot + delays[w->next]), 0);
    return w->leads;
}

/* One request leaves, or is missed. */
static void naive_send(struct naive *naive, const struct waiting *w, int64_t due,
                       int32_t per_second)
{
    int64_t start = due * per_second;
    if (naive->free_ticks > start)
        start = naive->free_ticks;
    naive->due++;
    if (start >= (due + w->plan->within_us) * per_second)
        naive->missed[w->number]++;
    else
        naive->free_ticks = start + SECOND;
}

/*
 * Every slot is a batch in a stable heap, opened when the slot before it was; its head goes back
 * after each request. So does the engine.
 */
static struct naive naive_run(const struct config *config, const struct plan *plans, size_t count,
                              int64_t until)
{
    struct digest *digest;
    struct heap heap = {0};
    int64_t *delays[SCHEDULES_MAX];
    struct naive naive = {0};
    assert_int_equal(digest_create(&digest, NULL), 0);
    for (size_t p = 0; p < count; p++) {
        int64_t period = plans[p].every_us;
        int64_t slot = -(FROM * SECOND % period) - (plans[p].spread_us / period + 1) * period;
        delays[p] = delays_of(config, p, digest);
        while (!naive_open(&heap, &plans[p], p, slot, delays[p]))
            slot += period;
    }
    for (struct heap_node *node; (node = heap_pop(&heap)) != NULL;) {
        struct waiting *w = HEAP_OWNER(node, struct waiting, node);
        int64_t due = node->key;
        bool opens = w->leads && w->next == 0 && due <= until;
        const struct waiting old = *w;
        if (due <= until)
            naive_send(&naive, w, due, config->per_second);
        if (++w->next < w->plan->count)
            assert_int_equal(heap_push(&heap, &w->node, w->slot + w->delays[w->next]), 0);
        else
            free(w);
        if (opens)
            (void)naive_open(&heap, old.plan, old.number, old.slot + old.plan->every_us,
                             old.delays);
    }
    for (size_t p = 0; p < count; p++)
        free(delays[p]);
    heap_finish(&heap);
    digest_destroy(digest);
    return naive;
}

static uint64_t dice(uint64_t *seed, uint64_t sides)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % sides;
}

static size_t random_plans(uint64_t *seed, struct plan plans[SCHEDULES_MAX])
{
    static const int64_t periods[] = {5 * SECOND, 30 * SECOND, MINUTE, 7 * MINUTE, HOUR};
    static const int64_t spreads[] = {0, 0, 0, 90 * SECOND, 10 * MINUTE};
    static const int64_t withins[] = {SECOND, 7 * SECOND, MINUTE, 20 * MINUTE, 9 * HOUR};
    size_t count = 1 + dice(seed, SCHEDULES_MAX - 1);
    for (size_t i = 0; i < count; i++)
        plans[i] = (struct plan){.every_us = periods[dice(seed, COUNT(periods))],
                                 .spread_us = spreads[dice(seed, COUNT(spreads))],
                                 .within_us = withins[dice(seed, COUNT(withins))],
                                 .count = 1 + (uint32_t)dice(seed, dice(seed, 2) ? 4 : 90)};
    return count;
}

static void load_is_that_of_a_queue_of_requests(void **state)
{
    (void)state;
    uint64_t seed = 20261123;
    uint64_t missed_in_all = 0;
    for (int round = 0; round < 120; round++) {
        struct plan plans[SCHEDULES_MAX] = {{0}};
        size_t count = random_plans(&seed, plans);
        struct config *config = config_of(plans, (int32_t)(1 + dice(&seed, 40)));
        struct load load;
        assert_int_equal(load_forecast(config, at(0), 1, &load), 0);
        const struct naive naive = naive_run(config, plans, count, HOUR);
        const struct load_host *host = &load.hosts[0];
        assert_false(host->cut);
        assert_int_equal(host->due, naive.due);
        uint64_t missed = 0;
        for (size_t p = 0; p < count; p++) {
            assert_int_equal(host->shares[p].missed, naive.missed[p]);
            missed += naive.missed[p];
        }
        assert_int_equal(host->missed, missed);
        if (host->minute_count > 0)
            assert_int_equal(
                host->minutes[host->minute_count - 1].drained.us,
                at(0).us + (naive.free_ticks + config->per_second - 1) / config->per_second);
        missed_in_all += missed;
        load_finish(&load);
        config_unref(config);
    }
    assert_true(missed_in_all > 10000);
}

/* ---- bounds ---- */

static void too_many_slots_end_the_forecast_early(void **state)
{
    (void)state;
    struct config *config;
    uint32_t host;
    assert_int_equal(config_create(&config), 0);
    config->per_second = 20;
    assert_int_equal(config_add_host(config, "https://one/", &host), 0);
    for (size_t i = 0; i < 5000; i++)
        add(config, i, &(struct plan){SECOND, 0, SECOND, 1, 0, false});
    assert_int_equal(config_freeze(config), 0);
    struct load load;
    clock_t begun = clock();
    assert_int_equal(load_forecast(config, at(0), LOAD_HOURS_MAX, &load), 0);
    assert_true((double)(clock() - begun) / CLOCKS_PER_SEC < 10); /* sanitizers and all */
    const struct load_host *one = &load.hosts[0];
    assert_true(one->cut && wall_before(one->until, load.until));
    int64_t seconds = wall_diff_us(one->until, load.from) / SECOND;
    assert_true(seconds >= 10 && seconds < 1000);
    assert_int_equal(one->due, 5000 * (uint64_t)seconds);
    assert_int_equal(one->missed, 4980 * (uint64_t)seconds);
    load_finish(&load);
    config_unref(config);
}

/* A spread of more instants than there are steps is looked at by whole seconds. */
static void a_fine_spread_is_looked_at_by_seconds(void **state)
{
    (void)state;
    const struct plan plans[SCHEDULES_MAX] = {{MINUTE, 30 * SECOND, SECOND, 3000, 0, false}};
    struct config *config = config_of(plans, 1000);
    struct load load;
    assert_int_equal(load_forecast(config, at(0), 24, &load), 0);
    const struct load_host *host = &load.hosts[0];
    assert_false(host->cut);
    assert_int_equal(host->missed, 0);
    assert_int_equal(host->shares[0].alone_missed, 0);
    /* The slot at `from` counts without its cohort of the first second, the last but that alone. */
    assert_in_range(host->due, 3000 * 1440 - 400, 3000 * 1440 + 400);
    for (size_t i = 1; i + 1 < host->minute_count; i++)
        assert_int_equal(host->minutes[i].due, 3000);
    load_finish(&load);
    config_unref(config);
}

static void ends_of_time_are_no_trouble(void **state)
{
    (void)state;
    const struct plan plans[SCHEDULES_MAX] = {
        {HOUR, 366 * 24 * HOUR, 366 * 24 * HOUR, 3, 0, false},
        {366 * 24 * HOUR, 366 * 24 * HOUR, SECOND, 3, 0, false}};
    struct config *config = config_of(plans, MODEL_RATE_MAX);
    static const int64_t seconds[] = {WALL_MIN_SECOND,        WALL_MIN_SECOND + 1, -1, 0,
                                      WALL_MAX_SECOND - 3600, WALL_MAX_SECOND};
    for (size_t i = 0; i < COUNT(seconds); i++) {
        struct load load;
        assert_int_equal(
            load_forecast(config, wall_from_seconds(seconds[i]), LOAD_HOURS_MAX, &load), 0);
        assert_true(load.hosts[0].due <= 6 * (24 * 366 + 2) * 3);
        load_finish(&load);
    }
    config_unref(config);
}

/* ---- words ---- */

static void spans_in_words(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } spans[] = {
        {0, "0 seconds"},
        {1, "0.001 seconds"},
        {50000, "0.05 seconds"},
        {999999, "1 second"},
        {SECOND, "1 second"},
        {1500000, "1.5 seconds"},
        {59 * SECOND + 7000, "59.007 seconds"},
        {60 * SECOND, "1 minute"},
        {60 * SECOND + 1, "1 minute 1 second"},
        {2500 * SECOND, "41 minutes 40 seconds"},
        {HOUR, "1 hour"},
        {5000 * SECOND, "1 hour 23 minutes 20 seconds"},
        {49 * HOUR + 1, "2 days 1 hour 1 second"},
        {INT64_MAX, "106751991 days 4 hours 55 seconds"},
    };
    char buffer[LOAD_SPAN_TEXT_MAX];
    for (size_t i = 0; i < COUNT(spans); i++)
        assert_string_equal(load_span_text(spans[i].us, buffer), spans[i].text);
}

struct said {
    size_t lines;
    char text[32768];
};

static void hear(void *context, const char *line)
{
    struct said *said = context;
    said->lines++;
    size_t length = strlen(said->text);
    (void)snprintf(said->text + length, sizeof said->text - length, "%s\n", line);
}

static void warnings_name_what_is_missed(void **state)
{
    (void)state;
    const struct plan plans[SCHEDULES_MAX] = {{24 * HOUR, 0, 30 * MINUTE, 50000, 0, false},
                                              {24 * HOUR, 0, MINUTE, 1000, 0, false},
                                              {24 * HOUR, 0, 8 * HOUR, 10, 0, false},
                                              {SECOND, 0, HOUR, 2, 1, false}};
    struct config *config = config_of(plans, 20);
    struct load load;
    struct said said = {0};
    assert_int_equal(load_forecast(config, at(0), 24, &load), 0);
    load_warnings(&load, hear, &said);
    assert_string_equal(
        said.text,
        "schedule s0: the 50000 requests of one slot take 41 minutes 40 seconds at 20 a second at "
        "one, and start_within is 30 minutes: 14000 of them are missed\n"
        "schedule s1: 405 of 1000 requests wait at one longer than their start_within of 1 minute "
        "and are missed, the first those due at 2026-11-24T00:00:00+00:00, behind schedule s0\n");
    memset(&said, 0, sizeof said);
    load_lines(&load, hear, &said);
    assert_int_equal(said.lines, 2 + 1 + LOAD_BUSY_SHOWN + 1);
    assert_non_null(strstr(said.text, "minute 2026-11-24T00:00:00+00:00: 51010 requests, drained "
                                      "in 30 minutes, at 2026-11-24T00:30:00+00:00; "));
    load_finish(&load);
    config_unref(config);
}

static void a_host_that_is_asked_for_too_much_is_told(void **state)
{
    (void)state;
    const struct plan plans[SCHEDULES_MAX] = {{SECOND, 0, 8 * HOUR, 21, 0, false}};
    struct config *config = config_of(plans, 20);
    struct load load;
    struct said said = {0};
    assert_int_equal(load_forecast(config, at(0), 1, &load), 0);
    load_warnings(&load, hear, &said);
    assert_string_equal(said.text, "host one: 75600 requests are due within 1 hour, more than 20 a "
                                   "second let through\n");
    load_finish(&load);
    config_unref(config);
}

static void warnings_are_bounded(void **state)
{
    (void)state;
    struct config *config;
    uint32_t host;
    assert_int_equal(config_create(&config), 0);
    config->per_second = 1;
    assert_int_equal(config_add_host(config, "https://one/", &host), 0);
    for (size_t i = 0; i < 130; i++)
        add(config, i, &(struct plan){24 * HOUR, 0, SECOND, 1, 0, false});
    assert_int_equal(config_freeze(config), 0);
    struct load load;
    struct said said = {0};
    assert_int_equal(load_forecast(config, at(0), 24, &load), 0);
    load_warnings(&load, hear, &said);
    assert_int_equal(load.hosts[0].missed, 129);
    assert_int_equal(said.lines, 101);
    assert_non_null(strstr(said.text, "host one: and 29 more schedules"));
    load_finish(&load);
    config_unref(config);
}

/* ---- the ends of a spread ---- */

static void the_ends_of_a_spread_are_those_of_all_hosts(void **state)
{
    (void)state;
    const struct plan plans[SCHEDULES_MAX] = {{HOUR, 30 * MINUTE, HOUR, 200, 0, false},
                                              {HOUR, 30 * MINUTE, HOUR, 0, 0, false}};
    struct config *config = config_of(plans, 20);
    struct digest *digest;
    struct forecast_spread spread;
    assert_int_equal(digest_create(&digest, NULL), 0);
    int64_t *delays = delays_of(config, 0, digest);
    assert_int_equal(forecast_spread(digest, &config->schedules[0], &spread), 0);
    assert_int_equal(spread.first_us, delays[0]);
    assert_int_equal(spread.last_us, delays[199]);
    assert_int_equal(forecast_spread(digest, &config->schedules[1], &spread), 1);
    free(delays);
    digest_destroy(digest);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_is_as_in_the_table),
        cmocka_unit_test(minutes_are_those_of_the_slots),
        cmocka_unit_test(the_one_in_the_way_is_named),
        cmocka_unit_test(load_is_that_of_a_queue_of_requests),
        cmocka_unit_test(too_many_slots_end_the_forecast_early),
        cmocka_unit_test(a_fine_spread_is_looked_at_by_seconds),
        cmocka_unit_test(ends_of_time_are_no_trouble),
        cmocka_unit_test(spans_in_words),
        cmocka_unit_test(warnings_name_what_is_missed),
        cmocka_unit_test(a_host_that_is_asked_for_too_much_is_told),
        cmocka_unit_test(warnings_are_bounded),
        cmocka_unit_test(the_ends_of_a_spread_are_those_of_all_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
