/*
 * See metrics_page.h. A family is a row of the table at the end; its function writes one sample at
 * a time, so that 100,000 of them are many short turns. What is not known has no sample.
 */
#include "daemon/loop.h"
#include "daemon/metrics_page.h"
#include "daemon/obstacle.h"
#include "version.h"

#define SECONDS_OF_US 6 /* digits behind the point */
#define SECONDS_OF_NS 9

/* ---- one sample ---- */

/* True for the first call of a family. */
static bool once(struct metrics_page *page)
{
    return page->first++ == 0;
}

static bool one_whole(struct metrics_page *page, const char *name, struct text *t, int64_t value)
{
    if (!once(page))
        return false;
    struct sample s = exposition_begin(t, name, "");
    exposition_whole(&s, value);
    return true;
}

static bool one_decimal(struct metrics_page *page, const char *name, struct text *t, int64_t value,
                        int digits)
{
    if (!once(page))
        return false;
    struct sample s = exposition_begin(t, name, "");
    exposition_decimal(&s, value, digits);
    return true;
}

/* An instant; none for one that is not known. */
static bool one_instant(struct metrics_page *page, const char *name, struct text *t,
                        struct wall value)
{
    return value.us != WALL_NEVER.us && one_decimal(page, name, t, value.us, SECONDS_OF_US);
}

/* -1: not known */
static bool one_known(struct metrics_page *page, const char *name, struct text *t, int64_t value)
{
    return value >= 0 && one_whole(page, name, t, value);
}

/* ---- the daemon ---- */

static bool is_there(const struct metrics_page *page, enum obstacle which)
{
    char text[OBSTACLE_TEXT_MAX];
    return obstacle_is_there(page->daemon, which, text);
}

static bool build_info(struct metrics_page *page, const char *name, struct text *t)
{
    if (!once(page))
        return false;
    struct sample s = exposition_begin(t, name, "");
    exposition_label(&s, "version", CRSBACKUPD_VERSION);
    exposition_whole(&s, 1);
    return true;
}

static bool reload_ok(struct metrics_page *page, const char *name, struct text *t)
{
    const struct reload *reload = &page->daemon->reload;
    return one_whole(page, name, t, reload->count == 0 || reload->ok ? 1 : 0);
}

static bool reload_at(struct metrics_page *page, const char *name, struct text *t)
{
    return one_instant(page, name, t, page->daemon->loaded_at);
}

static bool draining(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, page->daemon->draining ? 1 : 0);
}

static bool ledger_ok(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, is_there(page, OBSTACLE_LEDGER) ? 0 : 1);
}

static bool clock_ok(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, is_there(page, OBSTACLE_CLOCK) ? 0 : 1);
}

static bool keys_there(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, is_there(page, OBSTACLE_KEYS) ? 0 : 1);
}

static bool keys_end(struct metrics_page *page, const char *name, struct text *t)
{
    const struct credentials *credentials = page->daemon->credentials;
    return credentials_are_there(credentials)
           && one_instant(page, name, t, credentials_end(credentials));
}

static bool keys_fail(struct metrics_page *page, const char *name, struct text *t)
{
    bool failing = credentials_text(page->daemon->credentials)[0] != '\0';
    return one_whole(page, name, t, failing || is_there(page, OBSTACLE_REFUSED) ? 1 : 0);
}

static bool keys_refused(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, is_there(page, OBSTACLE_REFUSED) ? 1 : 0);
}

static bool log_lost(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, (int64_t)log_writer_lost(page->daemon->log));
}

static bool longest_turn(struct metrics_page *page, const char *name, struct text *t)
{
    return one_decimal(page, name, t, loop_longest_turn_ns(page->daemon->loop), SECONDS_OF_NS);
}

/* ---- what is going on ---- */

static bool in_flight(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, page->status.in_flight);
}

static bool waiting(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, (int64_t)page->status.waiting);
}

static bool watched(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, (int64_t)page->status.watched);
}

static bool doubtful(struct metrics_page *page, const char *name, struct text *t)
{
    return one_whole(page, name, t, (int64_t)page->status.doubtful);
}

static bool next_slot(struct metrics_page *page, const char *name, struct text *t)
{
    return one_instant(page, name, t, page->status.next_slot);
}

/* ---- requests ---- */

static struct sample of_action(struct text *t, const char *name, const char *suffix,
                               uint32_t action)
{
    struct sample s = exposition_begin(t, name, suffix);
    exposition_label(&s, "action", counters_action_name((enum counters_action)action));
    return s;
}

static bool requests(struct metrics_page *page, const char *name, struct text *t)
{
    if (page->first == COUNTERS_ACTIONS)
        return false;
    struct sample s = of_action(t, name, "", page->first);
    exposition_label(&s, "code", counters_code_name(page->second));
    exposition_whole(&s, (int64_t)page->counters->requests[page->first].by_code[page->second]);
    if (++page->second == counters_code_count()) {
        page->second = 0;
        page->first++;
    }
    return true;
}

static bool throttled(struct metrics_page *page, const char *name, struct text *t)
{
    if (page->first == COUNTERS_ACTIONS)
        return false;
    struct sample s = of_action(t, name, "", page->first);
    exposition_whole(&s, (int64_t)page->counters->requests[page->first].throttled);
    page->first++;
    return true;
}

/* The shortest spelling that a person would give the bound: "0.005", "30". */
static void label_bound(struct sample *s, int64_t ns)
{
    char bound[32];
    struct text t = text_over(bound, sizeof bound);
    struct sample number = {.text = &t};
    exposition_decimal(&number, ns, SECONDS_OF_NS);
    bound[t.length - 1] = '\0'; /* without its line feed and its blank */
    exposition_label(s, "le", bound + 1);
}

/* Buckets, each with those below it, then the sum and the count. */
static bool histogram(struct metrics_page *page, const char *name, struct text *t,
                      const struct counters_histogram *of, const int64_t *bounds)
{
    uint64_t below = 0;
    uint32_t at = page->second;
    for (uint32_t i = 0; i <= COUNTERS_BOUNDS && i <= at; i++)
        below += of->buckets[i];
    bool bucket = at <= COUNTERS_BOUNDS;
    bool sum = at == COUNTERS_BOUNDS + 1;
    struct sample s = of_action(t, name, bucket ? "_bucket" : sum ? "_sum" : "_count", page->first);
    if (at < COUNTERS_BOUNDS)
        label_bound(&s, bounds[at]);
    else if (bucket)
        exposition_label(&s, "le", "+Inf");
    if (sum)
        exposition_decimal(&s, of->sum_ns, SECONDS_OF_NS);
    else
        exposition_whole(&s, (int64_t)below);
    if (++page->second == COUNTERS_BOUNDS + 3) {
        page->second = 0;
        page->first++;
    }
    return true;
}

static bool duration(struct metrics_page *page, const char *name, struct text *t)
{
    return page->first < COUNTERS_ACTIONS
           && histogram(page, name, t, &page->counters->requests[page->first].duration,
                        counters_duration_bounds);
}

static bool limiter_wait(struct metrics_page *page, const char *name, struct text *t)
{
    return page->first < COUNTERS_LIMITED
           && histogram(page, name, t, &page->counters->requests[page->first].wait,
                        counters_wait_bounds);
}

/* ---- schedules ---- */

static struct sample of_schedule(const struct metrics_page *page, struct text *t, const char *name)
{
    struct sample s = exposition_begin(t, name, "");
    exposition_label(&s, "schedule", page->config->schedules[page->first].name);
    return s;
}

static bool backups(struct metrics_page *page, const char *name, struct text *t)
{
    if (page->first == page->config->schedule_count)
        return false;
    struct sample s = of_schedule(page, t, name);
    exposition_label(&s, "outcome", counters_outcome_name((enum counters_outcome)page->second));
    exposition_whole(&s, (int64_t)page->counters->schedules[page->first].outcomes[page->second]);
    if (++page->second == COUNTERS_OUTCOMES) {
        page->second = 0;
        page->first++;
    }
    return true;
}

static bool of_each(struct metrics_page *page, const char *name, struct text *t, int64_t value)
{
    struct sample s = of_schedule(page, t, name);
    exposition_whole(&s, value);
    page->first++;
    return true;
}

static bool attempts(struct metrics_page *page, const char *name, struct text *t)
{
    return page->first < page->config->schedule_count
           && of_each(page, name, t, (int64_t)page->counters->schedules[page->first].attempts);
}

static bool retries(struct metrics_page *page, const char *name, struct text *t)
{
    return page->first < page->config->schedule_count
           && of_each(page, name, t, (int64_t)page->counters->schedules[page->first].retries);
}

static bool missed_slots(struct metrics_page *page, const char *name, struct text *t)
{
    return page->first < page->config->schedule_count
           && of_each(page, name, t, (int64_t)page->counters->schedules[page->first].missed_slots);
}

static bool instances(struct metrics_page *page, const char *name, struct text *t)
{
    return page->first < page->config->schedule_count
           && of_each(page, name, t, page->config->schedules[page->first].instance_count);
}

/* ---- the process ---- */

static bool cpu(struct metrics_page *page, const char *name, struct text *t)
{
    return one_decimal(page, name, t, page->process.cpu_us, SECONDS_OF_US);
}

static bool resident(struct metrics_page *page, const char *name, struct text *t)
{
    return one_known(page, name, t, page->process.resident_bytes);
}

static bool virtual(struct metrics_page *page, const char *name, struct text *t)
{
    return one_known(page, name, t, page->process.virtual_bytes);
}

static bool open_fds(struct metrics_page *page, const char *name, struct text *t)
{
    return one_known(page, name, t, page->process.open_fds);
}

static bool max_fds(struct metrics_page *page, const char *name, struct text *t)
{
    return one_known(page, name, t, page->process.max_fds);
}

static bool started(struct metrics_page *page, const char *name, struct text *t)
{
    return one_instant(page, name, t, page->daemon->started_at);
}

const struct metrics_family metrics_families[] = {
    {"crsbackupd_build_info", "gauge", "Always 1; the label says what is running.", build_info, 0},
    {"crsbackupd_config_last_reload_successful", "gauge",
     "1: the last reload was taken, or there was none; 0: it was refused and the old configuration "
     "goes on.",
     reload_ok, 0},
    {"crsbackupd_config_last_reload_success_timestamp_seconds", "gauge",
     "When the configuration in force was taken.", reload_at, 0},
    {"crsbackupd_draining", "gauge", "1: the daemon is stopping.", draining, 0},
    {"crsbackupd_ledger_writable", "gauge",
     "1: the ledger records; 0: it cannot, and nothing is sent that it could not record.",
     ledger_ok, 0},
    {"crsbackupd_clock_believed", "gauge",
     "0: the wall clock is plainly wrong, and nothing is opened or sent by it.", clock_ok, 0},
    {"crsbackupd_credentials_available", "gauge", "1: there are keys that have not ended.",
     keys_there, 0},
    {"crsbackupd_credentials_expiry_timestamp_seconds", "gauge",
     "When the keys in use end; none for lasting ones.", keys_end, 0},
    {"crsbackupd_credentials_failing", "gauge",
     "1: there are no keys, their renewal fails, or the cloud refuses them; the log says why.",
     keys_fail, 0},
    {"crsbackupd_credentials_refused", "gauge",
     "1: the cloud did not take the keys that sign when it was last asked.", keys_refused, 0},
    {"crsbackupd_log_lost_lines_total", "counter",
     "Log lines that could not be written and did not fit into the buffer.", log_lost, 0},
    {"crsbackupd_loop_longest_turn_seconds", "gauge",
     "The longest that the event loop was busy without a break since the start.", longest_turn, 0},

    {"crsbackupd_in_flight_requests", "gauge", "Requests to the cloud that are under way.",
     in_flight, 0},
    {"crsbackupd_waiting_runs", "gauge", "Backups of open slots that have not been sent.", waiting,
     0},
    {"crsbackupd_watched_backups", "gauge",
     "Backups that the cloud accepted and that are not known to have ended.", watched, 0},
    {"crsbackupd_doubtful_runs", "gauge", "Backups whose answer was lost and is being looked for.",
     doubtful, 0},
    {"crsbackupd_next_slot_timestamp_seconds", "gauge", "When the next slot of any schedule is.",
     next_slot, 0},

    {"crsbackupd_api_requests_total", "counter",
     "Requests to the cloud that ended, by action and by the answer's code.", requests, 0},
    {"crsbackupd_api_throttled_total", "counter",
     "Requests that the cloud refused for their rate, by action.", throttled, 0},
    {"crsbackupd_api_request_duration_seconds", "histogram",
     "From handing a request over to its answer, of those that were answered, by action.", duration,
     0},
    {"crsbackupd_limiter_wait_seconds", "histogram",
     "How long a request that was due waited for its turn under the rate limit, by action.",
     limiter_wait, 0},

    {"crsbackupd_limiter_requests_per_second", "gauge",
     "The pace at which requests are let through at the moment.", metrics_pace, 1},
    {"crsbackupd_limiter_queue_length", "gauge", "Requests that wait to be let through.",
     metrics_queued, 1},
    {"crsbackupd_endpoint_up", "gauge",
     "0: the host gives no sign of life, and nothing but probes is sent to it.",
     metrics_endpoint_up, 1},

    {"crsbackupd_schedule_instances", "gauge", "Instances of the schedule.", instances, 0},
    {"crsbackupd_backups_total", "counter", "Backups by what became of them.", backups, 0},
    {"crsbackupd_backup_attempts_total", "counter", "Requests for a backup that were sent.",
     attempts, 0},
    {"crsbackupd_backup_retries_total", "counter",
     "Attempts that were decided on after one that came to nothing.", retries, 0},
    {"crsbackupd_missed_slots_total", "counter",
     "Slots that passed as a whole: the daemon was down or its clock was set.", missed_slots, 0},
    {"crsbackupd_schedule_paused", "gauge",
     "1: the schedule is paused, by the file or by an operator.", metrics_paused, 0},
    {"crsbackupd_max_age_seconds", "gauge",
     "How old the newest good backup of an instance of the schedule may be.", metrics_max_age, 10},
    {"crsbackupd_overdue_instances", "gauge",
     "Instances whose newest good backup is older than that, or that never had one for so long.",
     metrics_overdue, 10},
    {"crsbackupd_never_backed_up_instances", "gauge",
     "Of these, the instances that never had a good backup.", metrics_never_overdue, 10},
    {"crsbackupd_last_success_timestamp_seconds", "gauge",
     "When the newest good backup was seen to have succeeded; 0: never.", metrics_last_success, 0},

    {"process_cpu_seconds_total", "counter", "Processor time in user and system mode.", cpu, 0},
    {"process_resident_memory_bytes", "gauge", "Resident memory.", resident, 0},
    {"process_virtual_memory_bytes", "gauge", "Virtual memory.", virtual, 0},
    {"process_open_fds", "gauge", "Open file descriptors.", open_fds, 0},
    {"process_max_fds", "gauge", "The limit of open file descriptors.", max_fds, 0},
    {"process_start_time_seconds", "gauge", "When the process started.", started, 0},
};
const size_t metrics_family_count = sizeof metrics_families / sizeof metrics_families[0];
