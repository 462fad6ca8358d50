/*
 * See forecast_load.h.
 *
 * Requests of one schedule that are due at the same instant are a cohort. A heap hands out the
 * cohorts by their instants; those of one instant go together into the queue (forecast_queue.h).
 * A source is a schedule's coming slot, or one that is open and still has cohorts to come.
 *
 * Ticks are of 1 us / per_second from the beginning of the span, so that a request takes
 * QUEUE_INTERVAL of them exactly, whatever the rate.
 *
 * Failure paths: no memory, or a digest that fails: nothing is handed out. Too many slots: the host
 * is computed up to the last instant that was looked at.
 */
#include "engine/forecast_load.h"

#include "base/digest.h"
#include "base/heap.h"
#include "engine/forecast_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_US INT64_C(1000) /* delays are whole milliseconds */
#define COARSE_US US_PER_SECOND

struct cohort {
    int64_t delay_us;
    uint32_t count;
};

struct course;

struct source {
    struct heap_node node; /* by the instant of the cohort `next` */
    struct course *course;
    struct wall slot;
    uint32_t next;       /* index of the cohort that comes next */
    struct source *link; /* of the list of all open slots, or of those free for reuse */
};

struct course {
    struct load_share *share;
    const struct group *group;
    struct source coming;
    struct cohort *cohorts;
    uint32_t cohort_count;
    struct queue_user user;
};

/* The simulation of one host. */
struct run {
    const struct load *load;
    struct load_host *host;
    struct course *courses;
    size_t course_count;
    struct heap sources;
    struct queue queue;
    struct source *open; /* all that were made, for the end */
    struct source **reuse;
    size_t reuse_count;
    size_t reuse_room;
    struct queue_turn *turns;
    size_t turn_room;
    size_t minute_room;
    int64_t slack_us;     /* what a coarse instant may be early */
    int64_t minute_first; /* ticks: the first request of the latest minute */
    struct wall due;      /* the instant that is looked at */
    uint64_t steps;
    uint64_t steps_most;
};

static int64_t ticks(const struct load *load, int64_t us)
{
    return us * load->per_second;
}

static int64_t ticks_to_us(const struct load *load, int64_t n)
{
    return (n + load->per_second - 1) / load->per_second;
}

/* At least one more of `size` bytes; doubles. */
static int grow(void **array, size_t size, size_t count, size_t *room)
{
    if (count < *room)
        return 0;
    size_t more = *room > 0 ? 2 * *room : 16;
    void *bigger = reallocarray(*array, more, size);
    if (bigger == NULL)
        return -ENOMEM;
    *array = bigger;
    *room = more;
    return 0;
}

/* ---- cohorts ---- */

/* The cohorts of a group, exactly. */
static int find_cohorts(struct course *course, struct digest *digest)
{
    const struct schedule *schedule = course->share->schedule;
    const struct group *group = course->group;
    size_t most = schedule->spread_us > 0 ? group->count : 1;
    course->cohorts = calloc(most, sizeof *course->cohorts);
    if (course->cohorts == NULL)
        return -ENOMEM;
    if (schedule->spread_us == 0) {
        course->cohorts[course->cohort_count++] = (struct cohort){0, group->count};
        return 0;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        uint32_t index = schedule->order[group->first + i];
        int64_t delay = 0;
        int r = schedule_delay(digest, schedule, &schedule->instances[index], &delay);
        if (r < 0)
            return r;
        struct cohort *last = &course->cohorts[course->cohort_count];
        if (course->cohort_count > 0 && last[-1].delay_us == delay)
            last[-1].count++;
        else
            course->cohorts[course->cohort_count++] = (struct cohort){delay, 1};
    }
    return 0;
}

/* Those of exact cohorts that fall into the same second become one. */
static void coarsen(struct course *course)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < course->cohort_count; i++) {
        struct cohort cohort = course->cohorts[i];
        cohort.delay_us -= cohort.delay_us % COARSE_US;
        if (kept > 0 && course->cohorts[kept - 1].delay_us == cohort.delay_us)
            course->cohorts[kept - 1].count += cohort.count;
        else
            course->cohorts[kept++] = cohort;
    }
    course->cohort_count = kept;
}

/* One slot with the host to itself. */
static void forecast_alone(const struct load *load, const struct course *course, int64_t slack_us)
{
    struct load_share *share = course->share;
    int64_t within = share->schedule->start_within_us + slack_us;
    int64_t all = 0;     /* when all were through, did none become too late */
    int64_t free_at = 0; /* when those are through that do not */
    for (uint32_t i = 0; i < course->cohort_count; i++) {
        const struct cohort *cohort = &course->cohorts[i];
        int64_t due = ticks(load, cohort->delay_us);
        int64_t start = due > free_at ? due : free_at;
        int64_t sent = queue_in_time(start, due + ticks(load, within), cohort->count);
        share->alone_missed += cohort->count - (uint32_t)sent;
        free_at = start + sent * QUEUE_INTERVAL;
        all = (due > all ? due : all) + cohort->count * QUEUE_INTERVAL;
    }
    share->alone_us = ticks_to_us(load, all);
}

/* About how many cohorts the span has. */
static double estimate_steps(const struct run *run)
{
    double steps = 0;
    double span = (double)wall_diff_us(run->load->until, run->load->from);
    for (size_t i = 0; i < run->course_count; i++) {
        const struct course *course = &run->courses[i];
        const struct schedule *schedule = course->share->schedule;
        int64_t period = recurrence_period_us(&schedule->when, run->load->from);
        steps += (span / (double)period + 1) * course->cohort_count;
    }
    return steps;
}

static int prepare_cohorts(struct run *run, struct digest *digest)
{
    for (size_t i = 0; i < run->course_count; i++) {
        int r = find_cohorts(&run->courses[i], digest);
        if (r < 0)
            return r;
    }
    if (estimate_steps(run) > (double)run->steps_most) {
        run->slack_us = COARSE_US - EXACT_US;
        for (size_t i = 0; i < run->course_count; i++)
            coarsen(&run->courses[i]);
    }
    for (size_t i = 0; i < run->course_count; i++)
        forecast_alone(run->load, &run->courses[i],
                       run->courses[i].share->schedule->spread_us > 0 ? run->slack_us : 0);
    return 0;
}

/* ---- slots ---- */

static struct wall source_due(const struct source *source)
{
    return wall_add_us(source->slot, source->course->cohorts[source->next].delay_us);
}

/* Queues a source whose next cohort is due in the span. Outcomes: 0; -ENOMEM. */
static int queue_source(struct run *run, struct source *source)
{
    struct wall due = source_due(source);
    if (wall_before(run->load->until, due))
        return 0;
    return heap_push(&run->sources, &source->node, due.us);
}

/* Opens a slot from its cohort `next` on. Outcomes: 0; -ENOMEM. */
static int open_slot(struct run *run, struct course *course, struct wall slot, uint32_t next)
{
    struct source *source = NULL;
    if (run->reuse_count > 0) {
        source = run->reuse[--run->reuse_count];
    } else {
        source = calloc(1, sizeof *source);
        if (source == NULL)
            return -ENOMEM;
        source->link = run->open;
        run->open = source;
    }
    source->course = course;
    source->slot = slot;
    source->next = next;
    return queue_source(run, source);
}

/* The coming slot becomes the one after `slot`. Outcomes: 0; -ENOMEM. */
static int find_next_slot(struct run *run, struct course *course, struct wall slot)
{
    struct slot_time next;
    run->steps += LOAD_SLOT_STEPS;
    if (recurrence_next(&course->share->schedule->when, slot, &next) != 0)
        return 0;
    course->coming.slot = next.at;
    return queue_source(run, &course->coming);
}

/* The first cohort of the slot that is due after `after`. */
static uint32_t first_after(const struct course *course, struct wall slot, struct wall after)
{
    uint32_t low = 0;
    uint32_t high = course->cohort_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (wall_before(after, wall_add_us(slot, course->cohorts[middle].delay_us)))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Slots of before the span, whose spread reaches into it, and the first to come. */
static int begin_course(struct run *run, struct course *course)
{
    const struct schedule *schedule = course->share->schedule;
    struct wall from = run->load->from;
    struct wall slot = wall_add_us(from, -schedule->spread_us - 1);
    course->coming.course = course;
    for (;;) {
        struct slot_time next;
        run->steps += LOAD_SLOT_STEPS;
        if (run->steps > run->steps_most || recurrence_next(&schedule->when, slot, &next) != 0)
            return 0;
        slot = next.at;
        uint32_t cohort = first_after(course, slot, from);
        if (cohort == 0) {
            course->coming.slot = slot;
            return queue_source(run, &course->coming);
        }
        if (cohort < course->cohort_count) {
            int r = open_slot(run, course, slot, cohort);
            if (r < 0)
                return r;
        }
    }
}

/* A source has given its cohort: what comes of it next. Outcomes: 0; -ENOMEM. */
static int advance(struct run *run, struct source *source)
{
    struct course *course = source->course;
    uint32_t next = source->next + 1;
    if (source == &course->coming) {
        struct wall slot = source->slot;
        int r = next < course->cohort_count ? open_slot(run, course, slot, next) : 0;
        return r < 0 ? r : find_next_slot(run, course, slot);
    }
    source->next = next;
    if (next < course->cohort_count)
        return queue_source(run, source);
    void *array = (void *)run->reuse;
    int r = grow(&array, sizeof(struct source *), run->reuse_count, &run->reuse_room);
    run->reuse = array;
    if (r == 0)
        run->reuse[run->reuse_count++] = source;
    return r;
}

/* ---- one host ---- */

/* The latest minute is that of `due`. Outcomes: 0; -ENOMEM. */
static int enter_minute(struct run *run, struct wall due)
{
    struct load_host *host = run->host;
    int64_t second = wall_seconds(due);
    int64_t minute = second / 60 - (second % 60 < 0 ? 1 : 0);
    if (host->minute_count > 0 && host->minutes[host->minute_count - 1].minute == minute)
        return 0;
    void *array = host->minutes;
    int r = grow(&array, sizeof *host->minutes, host->minute_count, &run->minute_room);
    host->minutes = array;
    if (r < 0)
        return r;
    host->minutes[host->minute_count++] = (struct load_minute){.minute = minute};
    run->minute_first = ticks(run->load, wall_diff_us(due, run->load->from));
    return 0;
}

static void leave_instant(struct run *run)
{
    struct load_host *host = run->host;
    struct load_minute *minute = &host->minutes[host->minute_count - 1];
    minute->drain_us = ticks_to_us(run->load, run->queue.free - run->minute_first);
    minute->drained = wall_add_us(run->load->from, ticks_to_us(run->load, run->queue.free));
    if (minute->drain_us > host->longest_drain_us)
        host->longest_drain_us = minute->drain_us;
}

static void note_missed(void *context, struct queue_user *user, uint32_t count,
                        const struct schedule *behind)
{
    struct run *run = context;
    struct load_share *share = HEAP_OWNER(user, struct course, user)->share;
    if (share->missed == 0) {
        share->first_missed = run->due;
        share->behind = behind;
    }
    share->missed += count;
    run->host->missed += count;
    run->host->minutes[run->host->minute_count - 1].missed += count;
}

/* Takes the cohort of a source. Outcomes: 0; -ENOMEM. */
static int take_cohort(struct run *run, const struct source *source, size_t count)
{
    struct course *course = source->course;
    const struct schedule *schedule = course->share->schedule;
    int64_t within = schedule->start_within_us + (schedule->spread_us > 0 ? run->slack_us : 0);
    int64_t deadline = wall_diff_us(wall_add_us(run->due, within), run->load->from);
    void *array = run->turns;
    int r = grow(&array, sizeof *run->turns, count, &run->turn_room);
    run->turns = array;
    if (r < 0)
        return r;
    uint32_t members = course->cohorts[source->next].count;
    run->turns[count] = (struct queue_turn){&course->user, members, ticks(run->load, deadline)};
    course->share->due += members;
    run->host->due += members;
    run->host->minutes[run->host->minute_count - 1].due += members;
    return 0;
}

/* Everything that is due at the earliest instant. Outcomes: 0; -ENOMEM. */
static int step(struct run *run)
{
    size_t count = 0;
    run->due = (struct wall){heap_top(&run->sources)->key};
    int r = enter_minute(run, run->due);
    for (struct heap_node *top; r == 0 && (top = heap_top(&run->sources)) != NULL;) {
        if (top->key != run->due.us)
            break;
        struct source *source = HEAP_OWNER(heap_pop(&run->sources), struct source, node);
        r = take_cohort(run, source, count++);
        if (r == 0)
            r = advance(run, source);
    }
    if (r < 0)
        return r;
    int64_t due = ticks(run->load, wall_diff_us(run->due, run->load->from));
    run->steps += queue_serve(&run->queue, run->turns, count, due);
    leave_instant(run);
    return 0;
}

static int simulate(struct run *run)
{
    int r = 0;
    run->host->until = run->load->until;
    run->queue.missed = note_missed;
    run->queue.context = run;
    for (size_t i = 0; i < run->course_count && r == 0; i++)
        r = begin_course(run, &run->courses[i]);
    run->due = run->load->from;
    while (r == 0 && run->sources.count > 0 && run->steps <= run->steps_most)
        r = step(run);
    if (run->steps > run->steps_most) {
        run->host->cut = true;
        run->host->until = run->due;
    }
    return r;
}

static void run_finish(struct run *run)
{
    heap_finish(&run->sources); /* before its nodes go */
    for (struct source *next, *source = run->open; source != NULL; source = next) {
        next = source->link;
        free(source);
    }
    for (size_t i = 0; i < run->course_count; i++)
        free(run->courses[i].cohorts);
    free(run->courses);
    free((void *)run->reuse);
    free(run->turns);
}

/* What a host is sent, before it is simulated: schedule and group. */
struct part {
    const struct schedule *schedule;
    const struct group *group;
};

static int forecast_host(const struct load *load, struct load_host *host, const struct part *parts,
                         size_t count, struct digest *digest, uint64_t *steps_left)
{
    struct run run = {.load = load, .host = host, .steps_most = *steps_left, .course_count = count};
    host->until = load->until;
    if (count == 0)
        return 0;
    run.courses = calloc(count, sizeof *run.courses);
    host->shares = calloc(count, sizeof *host->shares);
    int r = run.courses == NULL || host->shares == NULL ? -ENOMEM : 0;
    if (run.courses == NULL)
        run.course_count = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        host->shares[i] =
            (struct load_share){.schedule = parts[i].schedule, .count = parts[i].group->count};
        run.courses[i].share = &host->shares[i];
        run.courses[i].group = parts[i].group;
        run.courses[i].user.schedule = parts[i].schedule;
        host->share_count++;
    }
    if (r == 0)
        r = prepare_cohorts(&run, digest);
    if (r == 0)
        r = simulate(&run);
    *steps_left -= run.steps < *steps_left ? run.steps : *steps_left;
    run_finish(&run);
    return r;
}

/* ---- all hosts ---- */

/* The parts of each host one after the other; first[h] is where those of host h begin. */
static int collect_parts(const struct config *config, struct part **ret, size_t **ret_first)
{
    size_t *first = calloc((size_t)config->host_count + 2, sizeof *first);
    if (first == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < config->schedule_count; i++)
        for (uint32_t g = 0; g < config->schedules[i].group_count; g++)
            if (!config->schedules[i].paused)
                first[config->schedules[i].groups[g].host + 2]++;
    for (uint32_t h = 1; h < config->host_count + 2; h++)
        first[h] += first[h - 1];
    struct part *parts = calloc(first[config->host_count + 1] + 1, sizeof *parts);
    if (parts == NULL) {
        free(first);
        return -ENOMEM;
    }
    /* first[h + 1] runs from the beginning of host h to its end, which is where h + 1 begins. */
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        const struct schedule *schedule = &config->schedules[i];
        for (uint32_t g = 0; g < schedule->group_count && !schedule->paused; g++)
            parts[first[schedule->groups[g].host + 1]++] =
                (struct part){schedule, &schedule->groups[g]};
    }
    *ret = parts;
    *ret_first = first;
    return 0;
}

static void choose_clock(const struct config *config, struct load *load)
{
    load->clock = (struct recurrence){.kind = RECURRENCE_EVERY, .zone = zone_utc()};
    load->zone_name = "UTC";
    for (uint32_t i = 1; i < config->schedule_count; i++)
        if (strcmp(config->schedules[i].zone_name, config->schedules[0].zone_name) != 0)
            return;
    if (config->schedule_count > 0 && config->schedules[0].when.zone != NULL) {
        load->clock.zone = config->schedules[0].when.zone;
        load->zone_name = config->schedules[0].zone_name;
    }
}

int load_forecast(const struct config *config, struct wall from, int hours, struct load *ret)
{
    assert(hours >= 1 && hours <= LOAD_HOURS_MAX && config->per_second >= 1);
    struct load load = {.per_second = config->per_second, .host_count = config->host_count};
    load.from = wall_from_seconds(wall_seconds(from));
    load.until = wall_add_us(load.from, hours * INT64_C(3600) * US_PER_SECOND);
    choose_clock(config, &load);
    load.hosts = calloc((size_t)config->host_count + 1, sizeof *load.hosts);
    struct part *parts = NULL;
    size_t *first = NULL;
    struct digest *digest = NULL;
    int r = load.hosts == NULL ? -ENOMEM : collect_parts(config, &parts, &first);
    if (r == 0 && digest_create(&digest, NULL) != 0)
        r = -EIO;
    uint64_t steps = LOAD_STEPS_MAX;
    for (uint32_t h = 0; h < config->host_count && r == 0; h++) {
        uint64_t share = steps / (config->host_count - h);
        uint64_t left = share;
        load.hosts[h].host = &config->hosts[h];
        r = forecast_host(&load, &load.hosts[h], parts + first[h], first[h + 1] - first[h], digest,
                          &left);
        steps -= share - left;
    }
    digest_destroy(digest);
    free(parts);
    free(first);
    if (r != 0) {
        load_finish(&load);
        return r;
    }
    *ret = load;
    return 0;
}

void load_finish(struct load *load)
{
    for (uint32_t h = 0; h < load->host_count && load->hosts != NULL; h++) {
        free(load->hosts[h].minutes);
        free(load->hosts[h].shares);
    }
    free(load->hosts);
    *load = (struct load){0};
}

uint64_t load_due_between(const struct load_host *host, int64_t from_minute, int64_t until_minute,
                          bool *ret_late)
{
    uint64_t due = 0;
    bool late = false;
    size_t low = 0;
    size_t high = host->minute_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (host->minutes[middle].minute < from_minute)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < host->minute_count && host->minutes[low].minute < until_minute; low++) {
        due += host->minutes[low].due;
        late = late || host->minutes[low].missed > 0;
    }
    *ret_late = late;
    return due;
}
