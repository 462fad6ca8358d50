/*
 * The load that a configuration will put on each host: how many requests are due in which minute,
 * how long the limiter needs to let them through, and which of them would wait past start_within.
 *
 * It is a forecast, not a copy of the limiter: requests leave at exactly per_second (the limiter
 * itself keeps to 98 % of it or better), none fails, the queue is empty at the beginning, and
 * paused schedules send nothing. Oldest first, as the engine does it: by slot + delay; schedules
 * due at the same instant take turns.
 *
 * Pure: no clock, and bounded work. What does not fit into LOAD_STEPS_MAX is left out from the end
 * of the span, and `cut` and `until` tell.
 */
#pragma once

#include "base/instant.h"
#include "engine/model.h"

#define LOAD_HOURS_DEFAULT 24
#define LOAD_HOURS_MAX 168
#define LOAD_STEPS_MAX 2000000 /* groups of requests looked at, all hosts together */
#define LOAD_SLOT_STEPS 4      /* what a slot costs of them: its instant is computed */

/* A minute into which requests fall. */
struct load_minute {
    int64_t minute; /* since 1970, of UTC */
    uint32_t due;
    uint32_t missed;     /* of those; they wait past start_within */
    int64_t drain_us;    /* from the first of them to `drained` */
    struct wall drained; /* when the limiter is done with these and with all before them */
};

/* What one schedule sends to one host. */
struct load_share {
    const struct schedule *schedule;
    uint32_t count;                /* requests of one slot */
    int64_t alone_us;              /* from a slot to its end, had the host nothing else to do */
    uint32_t alone_missed;         /* of one slot, even so */
    uint64_t due;                  /* in the span */
    uint64_t missed;               /* of those */
    struct wall first_missed;      /* when the first of those is due; valid where missed > 0 */
    const struct schedule *behind; /* what kept it waiting most; NULL: only itself */
};

struct load_host {
    const struct host *host;
    struct load_minute *minutes; /* in order, only those with requests */
    size_t minute_count;
    struct load_share *shares; /* in the file's order; paused schedules left out */
    size_t share_count;
    uint64_t due;
    uint64_t missed;
    int64_t longest_drain_us; /* of the minutes */
    struct wall until;        /* the forecast holds up to here, included */
    bool cut;                 /* this is before the end of the span */
};

struct load {
    struct wall from; /* whole seconds; requests due in (from, until] are counted */
    struct wall until;
    int32_t per_second;
    struct recurrence clock; /* for forecast_time(): the zone of all schedules, or else UTC */
    const char *zone_name;
    struct load_host *hosts; /* as in the config */
    uint32_t host_count;
};

/*
 * `hours` is 1 to LOAD_HOURS_MAX. The load borrows the config. A schedule whose spread gives more
 * instants than there are steps is looked at by whole seconds: its requests count in the right
 * minute, and none is called missed that might not be.
 * Outcomes: 0, the caller owes load_finish(); -ENOMEM; -EIO (the digest).
 */
int load_forecast(const struct config *config, struct wall from, int hours,
                  struct load *ret) MUST_CHECK;
void load_finish(struct load *load); /* a zeroed one is fine, twice too */

/* Requests of the minutes [from, until), counted from 1970. */
uint64_t load_due_between(const struct load_host *host, int64_t from_minute, int64_t until_minute,
                          bool *ret_late);

/* ---- in words ---- */

#define LOAD_BUSY_SHOWN 10 /* minutes that are listed for a host */
#define LOAD_SPAN_TEXT_MAX 96

/* "41 minutes 40 seconds"; below a minute with up to three decimals. Rounded up. */
const char *load_span_text(int64_t us, char buffer[LOAD_SPAN_TEXT_MAX]);

/* A summary a host, then its minutes with the most requests, in order of time. */
void load_lines(const struct load *load, void (*line)(void *context, const char *text),
                void *context);

/* What will not be sent in time, or at all: nothing where all is well. */
void load_host_warnings(const struct load *load, const struct load_host *host,
                        void (*line)(void *context, const char *text), void *context);
void load_warnings(const struct load *load, void (*line)(void *context, const char *text),
                   void *context);
