/* See lookup.h: pure judgement; who asks and what follows is in doubts.c. */
#include "engine/lookup.h"

#include <stdlib.h>
#include <string.h>

#define DELAY_FIRST_US US_PER_SECOND
#define DELAY_MOST_US (30 * US_PER_SECOND)
#define TAGGED_LOOKS 4   /* then the backup is taken without its task */
#define FAR_S (9 * 3600) /* backups so long before the send are of no interest under any zone */

void lookup_begin(struct doubt *doubt, struct mono now)
{
    doubt->began_at = now;
    doubt->offset = 0;
    doubt->pages = 0;
    doubt->partial = false;
    doubt->landed = false;
    doubt->task_count = 0;
    doubt->backup_count = 0;
}

/* True where another page follows. */
static bool turn_page(struct doubt *doubt, uint32_t count, int64_t total)
{
    doubt->offset += LISTING_PAGE;
    doubt->pages++;
    bool more = count > 0 && (int64_t)doubt->offset < total;
    if (more && doubt->pages < LOOKUP_PAGES_MAX)
        return true;
    doubt->partial = doubt->partial || more;
    doubt->offset = 0;
    return false;
}

bool lookup_take_tasks(struct doubt *doubt, const struct task_page *page)
{
    for (uint32_t i = 0; i < page->count; i++) {
        const struct listed_task *task = &page->list[i];
        if (task->failed)
            continue; /* whoever began it: it made no backup */
        if (task->start != LISTING_NO_TIME && task->start < doubt->sent_s - LOOKUP_MARGIN_S)
            continue;
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
        if (backup->start != LISTING_NO_TIME && backup->start < doubt->sent_s - FAR_S)
            continue;
        if (doubt->backup_count < LOOKUP_BACKUPS_MAX)
            doubt->backups[doubt->backup_count++] = backup->start;
        else
            doubt->partial = true;
    }
    return turn_page(doubt, page->count, page->total);
}

static int64_t distance(int64_t a, int64_t b)
{
    if (a == LISTING_NO_TIME || b == LISTING_NO_TIME)
        return INT64_MAX;
    return a > b ? a - b : b - a;
}

/*
 * Pairs backups with tasks, nearest starts first and each once; ours is the last of `backups` where
 * `ours` says so. Returns its task, NULL without one; tasks of other backups get the number 0.
 */
static const struct listed_task *pair(struct doubt *doubt, bool ours)
{
    bool paired[LOOKUP_BACKUPS_MAX + 1] = {false};
    uint32_t count = doubt->backup_count + (ours ? 1 : 0);
    const struct listed_task *found = NULL;
    for (;;) {
        struct listed_task *task = NULL;
        uint32_t backup = 0;
        int64_t least = LOOKUP_NEAR_S + 1;
        for (uint32_t i = 0; i < count; i++) {
            int64_t start = i < doubt->backup_count ? doubt->backups[i] : doubt->landed_start;
            for (uint32_t j = 0; !paired[i] && j < doubt->task_count; j++) {
                int64_t apart = distance(doubt->tasks[j].start, start);
                if (doubt->tasks[j].id <= 0 || &doubt->tasks[j] == found || apart >= least)
                    continue;
                least = apart;
                task = &doubt->tasks[j];
                backup = i;
            }
        }
        if (task == NULL)
            return found;
        paired[backup] = true;
        if (backup == doubt->backup_count)
            found = task;
        else
            task->id = 0;
    }
}

/* A task that no backup accounts for. */
static const struct listed_task *unexplained(const struct doubt *doubt)
{
    const struct listed_task *found = NULL;
    for (uint32_t i = 0; i < doubt->task_count; i++)
        if (doubt->tasks[i].id > 0)
            found = &doubt->tasks[i];
    return found;
}

/* Its task is named when both lists have settled: a neighbour's may be listed before it is. */
static enum lookup_result judge_landed(struct doubt *doubt, bool settled, int64_t *ret_task_id)
{
    if (!settled)
        return LOOKUP_AGAIN;
    const struct listed_task *task = pair(doubt, true);
    *ret_task_id = task == NULL ? 0 : task->id;
    if (task != NULL || ++doubt->tagged >= TAGGED_LOOKS)
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
    const struct listed_task *task = unexplained(doubt);
    if (task == NULL && !doubt->partial) {
        doubt->empty++;
        if (settled && doubt->empty >= LOOKUP_LOOKS_MIN)
            return LOOKUP_NOT_THERE;
    }
    if (doubt->looks >= LOOKUP_LOOKS_MIN
        && mono_diff_ns(now, doubt->lost_at) >= LOOKUP_PATIENCE * settle_us * NS_PER_US)
        return LOOKUP_NOT_KNOWN;
    return LOOKUP_AGAIN;
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
