/*
 * See ledger_decisions.h. The newest runs are read, each is taken apart into up to two decisions
 * (the verdict and the task's end, or an attempt without a verdict), and the newest of those told:
 * a task may end after a later slot has begun, so the runs' order is not the decisions'.
 */
#include "ports/ledger_decisions.h"

#include "base/civil.h"
#include "base/reason.h"
#include "base/text.h"
#include "engine/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (REPLY_MESSAGE_MAX + 128)

/* A run, with the names that it borrows. */
struct kept {
    struct history_run run;
    char schedule[MODEL_NAME_MAX + 1];
    char region[MODEL_REGION_MAX + 1];
};

enum part {
    STARTED, /* without a verdict */
    ENDED,
    FINISHED,
};

struct entry {
    struct wall at;
    enum part part;
    const struct history_run *run;
};

struct list {
    const struct ledger_decided *of;
    struct kept runs[2 * LEDGER_DECISIONS_MAX]; /* its own, then slots as a whole */
    size_t run_count;
    size_t own_count;
    struct entry entries[3 * LEDGER_DECISIONS_MAX];
    size_t count;
};

static void add(struct list *list, struct wall at, enum part part, const struct history_run *run)
{
    if (at.us != 0)
        list->entries[list->count++] = (struct entry){at, part, run};
}

static bool is_whole(const struct history_run *run)
{
    return strcmp(run->instance, LEDGER_WHOLE_SLOT) == 0;
}

static struct kept *keep(struct list *list, const struct history_run *run)
{
    struct kept *kept = &list->runs[list->run_count++];
    kept->run = *run;
    memcpy(kept->schedule, run->schedule, strlen(run->schedule) + 1);
    memcpy(kept->region, run->region, strlen(run->region) + 1);
    kept->run.schedule = kept->schedule;
    kept->run.instance = is_whole(run) ? LEDGER_WHOLE_SLOT : list->of->instance;
    kept->run.region = kept->region;
    return kept;
}

static bool take(void *context, const struct history_run *run)
{
    struct list *list = context;
    if (list->run_count == LEDGER_DECISIONS_MAX)
        return false;
    struct kept *kept = keep(list, run);
    add(list, run->finished, FINISHED, &kept->run);
    if (run->ended.us != 0)
        add(list, run->ended, ENDED, &kept->run);
    else
        add(list, run->started, STARTED, &kept->run);
    return true;
}

/* Its own are there already. */
static bool take_whole(void *context, const struct history_run *run)
{
    struct list *list = context;
    if (list->run_count - list->own_count == LEDGER_DECISIONS_MAX)
        return false;
    if (is_whole(run))
        add(list, run->ended, ENDED, &keep(list, run)->run);
    return true;
}

/* Newest first; of one instant the later part, then the later slot. */
static int compare(const void *a, const void *b)
{
    const struct entry *one = a;
    const struct entry *other = b;
    if (one->at.us != other->at.us)
        return one->at.us < other->at.us ? 1 : -1;
    if (one->part != other->part)
        return (int)other->part - (int)one->part;
    return (one->run->slot.us < other->run->slot.us) - (one->run->slot.us > other->run->slot.us);
}

/* ---- in words ---- */

static void add_message(struct text *t, const struct history_run *run)
{
    if (run->message[0] != '\0')
        text_addf(t, ": %s", run->message);
}

/* The ledger has the last attempt alone, and when the first was. */
static void add_attempts_before(struct text *t, const struct history_run *run)
{
    char instant[CIVIL_TEXT_MAX];
    if (run->attempts < 2)
        return;
    text_addf(t, "; %d before it came to nothing", run->attempts - 1);
    if (run->first.us != 0)
        text_addf(t, ", the first at %s", civil_format_utc(run->first, instant));
}

static void add_why_not(struct text *t, const struct history_run *run)
{
    text_addf(t, "%snothing was sent%s%s", is_whole(run) ? "the slot as a whole: " : "",
              run->message[0] != '\0' ? ": " : "", reason_in_words(run->message));
}

static const char *say_finished(const struct history_run *run, struct text *t)
{
    char took[TEXT_DURATION_MAX];
    int64_t us = wall_diff_us(run->finished, run->ended);
    us -= us % US_PER_SECOND;
    switch ((int)run->outcome) {
    case HISTORY_SUCCEEDED:
        text_addf(t, "the backup is done, %s after the cloud accepted it",
                  text_format_duration(us > 0 ? us : 0, took));
        return "backup_succeeded";
    case HISTORY_STUCK:
        text_addf(t, "it did not end inside complete_within; it is no longer watched");
        return "backup_failed";
    case HISTORY_UNKNOWN:
        text_addf(t, "nobody will know how it ended: its task is not known, or it is no longer in "
                     "the file and where to ask is not known");
        add_message(t, run);
        return "watch_failed";
    default:
        text_addf(t, "its task failed");
        add_message(t, run);
        return "backup_failed";
    }
}

static const char *say_ended(const struct history_run *run, struct text *t)
{
    if (run->finished.us != 0 || run->outcome == HISTORY_SUBMITTED) {
        text_addf(t, "the cloud accepted attempt %d", run->attempts);
        add_attempts_before(t, run);
        return "backup_submitted";
    }
    switch ((int)run->outcome) {
    case HISTORY_MISSED:
        add_why_not(t, run);
        return "backup_missed";
    case HISTORY_SKIPPED:
        add_why_not(t, run);
        return "backup_skipped";
    case HISTORY_UNKNOWN:
        text_addf(t,
                  "the answer to attempt %d was lost, and what became of it could not be found "
                  "out",
                  run->attempts);
        add_message(t, run);
        return "backup_failed";
    case HISTORY_OPEN:
        if (run->attempts == 0) {
            text_add(t, "it is to begin; nothing was sent so far");
            return "backup_waiting";
        }
        text_addf(t, "attempt %d did nothing; another follows", run->attempts);
        add_message(t, run);
        add_attempts_before(t, run);
        return "backup_retry";
    default:
        text_addf(t, "given up after attempt %d", run->attempts);
        add_message(t, run);
        add_attempts_before(t, run);
        return "backup_failed";
    }
}

static void tell(const struct entry *entry, ledger_decision_fn each, void *context)
{
    char words[TEXT_MAX];
    struct text t = text_over(words, sizeof words);
    const struct history_run *run = entry->run;
    bool accepted = entry->part == ENDED && run->finished.us != 0;
    struct ledger_decision decision = {.at = entry->at, .run = run, .text = words};
    decision.code = accepted ? "" : run->code; /* that of the task's end stands there */
    switch (entry->part) {
    case STARTED:
        decision.event = "backup_started";
        text_addf(&t, "attempt %d was recorded and may have left; it has no verdict yet",
                  run->attempts);
        break;
    case ENDED:
        decision.event = say_ended(run, &t);
        break;
    case FINISHED:
        decision.event = say_finished(run, &t);
        break;
    }
    each(context, &decision);
}

/* Its own runs, the newest. Outcomes: 0; negative. */
static int read_own(struct ledger_history *history, struct list *list)
{
    const struct history_query query = {
        .instances = &list->of->instance, .instance_count = 1, .until = WALL_NEVER};
    struct history_cursor cursor = {.begun = false};
    int r = 0;
    while (r == 0 && list->run_count < LEDGER_DECISIONS_MAX)
        r = ledger_history_page(history, &query, &cursor, take, list);
    list->own_count = list->run_count;
    return r < 0 ? r : 0;
}

/* And no older slots of its schedules. Outcomes: 0; negative. */
static int read_wholes(struct ledger_history *history, struct list *list)
{
    struct history_query query = {.instances = &list->of->instance,
                                  .instance_count = 1,
                                  .schedules = list->of->schedules,
                                  .until = WALL_NEVER,
                                  .failed = true};
    struct history_cursor cursor = {.begun = false};
    if (list->of->schedules == NULL)
        return 0;
    if (list->own_count == LEDGER_DECISIONS_MAX)
        query.since = list->runs[list->own_count - 1].run.slot;
    int r = 0;
    for (int i = 0; r == 0 && i < LEDGER_DECISIONS_PAGES
                    && list->run_count - list->own_count < LEDGER_DECISIONS_MAX;
         i++)
        r = ledger_history_page(history, &query, &cursor, take_whole, list);
    return r < 0 ? r : 0;
}

int ledger_decisions(struct ledger_history *history, const struct ledger_decided *of,
                     ledger_decision_fn each, void *context)
{
    struct list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return -ENOMEM;
    list->of = of;
    int r = read_own(history, list);
    if (r == 0)
        r = read_wholes(history, list);
    if (r == 0) {
        qsort(list->entries, list->count, sizeof list->entries[0], compare);
        for (size_t i = 0; i < list->count && i < LEDGER_DECISIONS_MAX; i++)
            tell(&list->entries[i], each, context);
    }
    free(list);
    return r;
}
