/* See lookup.h: pure judgement; who asks and what follows is in doubts.c. */
#include "engine/lookup.h"

#include <stdlib.h>
#include <string.h>

#define DELAY_FIRST_US US_PER_SECOND
#define DELAY_MOST_US (30 * US_PER_SECOND)
#define TAGGED_LOOKS 4 /* then the backup is taken without its task */
#define ROUNDED_S 1    /* a backup's stamp may say so much less than its task's */

/* What began before this is not of our attempt, nor accounts for it. One cut for both lists. */
static int64_t cut_of(const struct doubt *doubt)
{
    return doubt->sent_s - LOOKUP_MARGIN_S;
}

static bool is_old(const struct doubt *doubt, int64_t start)
{
    return start != LISTING_NO_TIME && start < cut_of(doubt);
}

void lookup_begin(struct doubt *doubt, struct mono now, int64_t sent_s, int64_t now_s)
{
    /* A clock that is put right later makes an instant that was possible no less so. */
    doubt->sent_s = sent_s < doubt->sent_s ? sent_s : doubt->sent_s;
    doubt->began_at = now;
    doubt->offset = 0;
    doubt->pages = 0;
    doubt->partial = cut_of(doubt) < now_s - LOOKUP_REACH_S;
    doubt->landed = false;
    doubt->task_count = 0;
    doubt->backup_count = 0;
}

/*
 * True where another page follows. A list is whole where as many entries were read as its first
 * page said that there are, and every other page said the same.
 */
static bool turn_page(struct doubt *doubt, uint32_t count, int64_t total)
{
    if (doubt->offset == 0) {
        doubt->total = total;
        doubt->read = 0;
    }
    doubt->read += count;
    doubt->offset += LISTING_PAGE;
    doubt->pages++;
    bool more = count > 0 && (int64_t)doubt->offset < total;
    if (more && doubt->pages < LOOKUP_PAGES_MAX && total == doubt->total)
        return true;
    doubt->partial = doubt->partial || doubt->read < total || total != doubt->total;
    doubt->offset = 0;
    return false;
}

bool lookup_take_tasks(struct doubt *doubt, const struct task_page *page)
{
    for (uint32_t i = 0; i < page->count; i++) {
        const struct listed_task *task = &page->list[i];
        if (task->failed || is_old(doubt, task->start))
            continue; /* whoever began one that failed: it made no backup */
        if (doubt->task_count == LOOKUP_TASKS_MAX) {
            doubt->partial = true;
            break;
        }
        doubt->tasks[doubt->task_count++] = *task;
    }
    return turn_page(doubt, page->count, page->total);
}

bool lookup_take_backups(struct doubt *doubt, const struct backup_page *page)
{
    for (uint32_t i = 0; i < page->count; i++) {
        const struct listed_backup *backup = &page->list[i];
        if (backup->tagged) {
            doubt->landed = true;
            doubt->landed_start = backup->start;
            doubt->landed_status = backup->status;
            continue;
        }
        if (!backup->manual || backup->start == LISTING_NO_TIME || is_old(doubt, backup->start))
            continue; /* accounts for no task */
        if (doubt->backup_count < LOOKUP_BACKUPS_MAX)
            doubt->backups[doubt->backup_count++] = backup->start;
        else
            doubt->partial = true;
    }
    return turn_page(doubt, page->count, page->total);
}

/* Those whose start is not known stand first. */
static int by_start(const void *a, const void *b)
{
    const struct listed_task *left = a;
    const struct listed_task *right = b;
    if (left->start != right->start)
        return left->start < right->start ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

static int by_instant(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

/* The free task of a backup that began at `start`: NULL where there is none. Tasks are in order. */
static struct listed_task *task_of(struct doubt *doubt, int64_t start)
{
    struct listed_task *found = NULL;
    for (uint32_t i = 0; i < doubt->task_count; i++) {
        struct listed_task *task = &doubt->tasks[i];
        if (task->id <= 0 || task->start == LISTING_NO_TIME || task->start < start - LOOKUP_NEAR_S)
            continue;
        if (task->start > start)
            return found == NULL && task->start <= start + ROUNDED_S ? task : found;
        found = task;
    }
    return found;
}

/*
 * Gives each backup its task, in the order of time; what has one gets the number 0. Returns our own
 * backup's, where `ours` says that it is listed; 0 without one.
 */
static int64_t pair(struct doubt *doubt, bool ours)
{
    int64_t own = 0;
    ours = ours && doubt->landed_start != LISTING_NO_TIME;
    qsort(doubt->tasks, doubt->task_count, sizeof doubt->tasks[0], by_start);
    qsort(doubt->backups, doubt->backup_count, sizeof doubt->backups[0], by_instant);
    for (uint32_t i = 0; i <= doubt->backup_count; i++) {
        bool is_last = i == doubt->backup_count;
        if (ours && (is_last || doubt->backups[i] > doubt->landed_start)) {
            struct listed_task *task = task_of(doubt, doubt->landed_start);
            own = task == NULL ? 0 : task->id;
            if (task != NULL)
                task->id = 0;
            ours = false;
        }
        struct listed_task *task = is_last ? NULL : task_of(doubt, doubt->backups[i]);
        if (task != NULL)
            task->id = 0;
    }
    return own;
}

/* A task that may be ours: no backup accounts for it. */
static bool has_unexplained(const struct doubt *doubt)
{
    for (uint32_t i = 0; i < doubt->task_count; i++)
        if (doubt->tasks[i].id > 0)
            return true;
    return false;
}

/* Its task is named when both lists have settled: a neighbour's may be listed before it is. */
static enum lookup_result judge_landed(struct doubt *doubt, bool settled, int64_t *ret_task_id)
{
    if (!settled)
        return LOOKUP_AGAIN;
    *ret_task_id = pair(doubt, true);
    if (*ret_task_id != 0 || ++doubt->tagged >= TAGGED_LOOKS)
        return LOOKUP_LANDED;
    return LOOKUP_AGAIN;
}

enum lookup_result lookup_judge(struct doubt *doubt, int64_t settle_us, struct mono now,
                                int64_t *ret_task_id)
{
    bool settled = mono_diff_ns(doubt->began_at, doubt->lost_at) >= settle_us * NS_PER_US;
    doubt->looks++;
    if (doubt->landed)
        return judge_landed(doubt, settled, ret_task_id);
    (void)pair(doubt, false);
    if (!has_unexplained(doubt) && !doubt->partial) {
        doubt->empty++;
        if (settled && doubt->empty >= LOOKUP_LOOKS_MIN)
            return LOOKUP_NOT_THERE;
    }
    if (doubt->looks >= LOOKUP_LOOKS_MIN
        && mono_diff_ns(now, doubt->lost_at) >= doubt->patience_us * NS_PER_US)
        return LOOKUP_NOT_KNOWN;
    return LOOKUP_AGAIN;
}

int64_t lookup_later_us(const struct doubt *doubt, int64_t left_us, struct mono now)
{
    int64_t delay = mono_diff_ns(now, doubt->lost_at) / NS_PER_US / 4;
    delay = delay < DELAY_MOST_US ? DELAY_MOST_US : delay;
    delay = delay > LOOKUP_LATER_US ? LOOKUP_LATER_US : delay;
    delay = delay > left_us ? left_us : delay;
    return delay < DELAY_FIRST_US ? DELAY_FIRST_US : delay;
}

int64_t lookup_delay_us(const struct doubt *doubt, int64_t settle_us, struct mono now)
{
    int64_t delay = DELAY_FIRST_US;
    for (int i = 0; i < doubt->looks && delay < DELAY_MOST_US; i++)
        delay *= 2;
    if (delay > DELAY_MOST_US)
        delay = DELAY_MOST_US;
    int64_t left_us = settle_us - mono_diff_ns(now, doubt->lost_at) / NS_PER_US;
    return left_us > 0 && left_us < delay ? left_us + 1000 : delay;
}
