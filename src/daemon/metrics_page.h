/*
 * One page of /metrics on its way to a client. Private to daemon/metrics*.c.
 *
 *   metrics.c           the server, the page's pieces
 *   metrics_families.c  the table of families, and the samples of most
 *   metrics_members.c   those of schedules, members and hosts that the engine answers
 */
#pragma once

#include "base/exposition.h"
#include "daemon/lifecycle.h"
#include "engine/counters.h"
#include "ports/process_stats.h"

#define METRICS_PREFIX_MAX 256
#define METRICS_LINE_MAX 1024 /* the longest sample, or head of a family, is under half of it */

struct metrics_page {
    struct daemon *daemon;
    struct config *config; /* one reference: a page of the configuration before cannot go on */
    const struct counters *counters;
    struct engine_status status; /* of the page's beginning */
    struct process_stats process;
    struct now now;

    size_t family;
    bool headed;    /* its head is written */
    uint32_t first; /* where its samples stand; 0 at its head */
    uint32_t second;
    int cost;                        /* of the present piece */
    char prefix[METRICS_PREFIX_MAX]; /* what the samples of one schedule's members begin with */
    size_t prefix_length;

    char line[METRICS_LINE_MAX]; /* what is being handed out */
    size_t length;
    size_t given;
};

struct metrics_family {
    const char *name;
    const char *type; /* "counter", "gauge", "histogram" */
    const char *help;
    /* Writes the sample at which the page stands, and goes on. False: there is none any more. */
    bool (*sample)(struct metrics_page *page, const char *name, struct text *t);
    int cost; /* of a sample, where it is more than a line's: see METRICS_PIECE_COST */
};

/*
 * What the samples of one piece may cost together, in units of some 10 us: a piece is made in one
 * turn of the loop.
 */
#define METRICS_PIECE_COST 200

/* ---- metrics_members.c ---- */

bool metrics_paused(struct metrics_page *page, const char *name, struct text *t);
bool metrics_max_age(struct metrics_page *page, const char *name, struct text *t);
bool metrics_overdue(struct metrics_page *page, const char *name, struct text *t);
bool metrics_never_overdue(struct metrics_page *page, const char *name, struct text *t);
bool metrics_last_success(struct metrics_page *page, const char *name, struct text *t);
bool metrics_pace(struct metrics_page *page, const char *name, struct text *t);
bool metrics_queued(struct metrics_page *page, const char *name, struct text *t);
bool metrics_endpoint_up(struct metrics_page *page, const char *name, struct text *t);

/* ---- metrics_families.c ---- */

extern const struct metrics_family metrics_families[];
extern const size_t metrics_family_count;
