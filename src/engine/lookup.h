/*
 * A doubt: an attempt whose answer was lost is looked for in the cloud before anything is sent
 * again.
 *
 *              tasks of the instance        its backups
 *   a look:   DescribeTaskList ──────► DescribeInstanceBackups ──► judged
 *
 *   LANDED      a backup carries the run's tag: its task is adopted
 *   NOT_THERE   two looks at least showed neither the tag nor a manual task that no backup
 *               explains, the last of them begun settle_us after the answer was lost
 *   NOT_KNOWN   nothing else was found out for LOOKUP_PATIENCE times as long: with on_unknown hold
 *               it is looked for until the run's start_within is over. With resend half of
 *               start_within is enough, so that there is time left to send it, and so are looks
 *               that are not answered
 *   AGAIN       another look follows, at growing distances
 *
 * Who carries the tag is decided by the tag alone; stamps only say which task made that backup, and
 * whether there is a task that no listed backup accounts for. They are read as UTC+8 and corrected
 * by the clock difference as learnt from the answers' Date headers. The lists are asked for wide
 * enough to hold the backup were the stamps UTC.
 *
 * An instance has one backup at a time, which begins with its task or a while after it: in the
 * order of time each backup goes to the last free task that began no later. Manual tasks alone are
 * listed, so manual backups alone account for them. A list that is not whole shows nothing to be
 * missing.
 */
#pragma once

#include "base/listing.h"
#include "engine/inquiry.h"

#define LOOKUP_PATIENCE 10
#define LOOKUP_LOOKS_MIN 2
#define LOOKUP_LATER_US (600 * US_PER_SECOND) /* between looks after that, at the most */
#define LOOKUP_TASKS_MAX 100                  /* manual tasks since the send that are kept */
#define LOOKUP_BACKUPS_MAX 200                /* backups about that time that are kept */
#define LOOKUP_PAGES_MAX 40
#define LOOKUP_MARGIN_S \
    60 /* a task or backup may have begun so long before the send, by the stamps */
/* An earlier life's clock may have been so far ahead, unseen: its attempts are looked for from
 * then. */
#define LOOKUP_AHEAD_S 3600
#define LOOKUP_REACH_S \
    (29 * SECONDS_PER_DAY) /* tasks of so long ago are listed, older ones are not */
#define LOOKUP_NEAR_S 120  /* a backup begins so long after its task, at the most */

enum lookup_result {
    LOOKUP_AGAIN,
    LOOKUP_LANDED,
    LOOKUP_NOT_THERE,
    LOOKUP_NOT_KNOWN,
};

struct doubt {
    struct inquiry ask;
    struct run *run;
    char tag[TAG_MAX];
    struct wall sent;    /* by our clock then */
    struct mono sent_at; /* 0: in an earlier life */
    int64_t sent_s;      /* by the cloud's clock, as early as it may have been: it only falls */
    struct mono lost_at;
    int64_t patience_us;  /* after that: when nothing else was found out */
    struct mono began_at; /* of the present look: when its first question was sent */
    int looks;            /* that were judged */
    int empty;            /* of those, showed nothing */
    int tagged;           /* of those, showed the tag without its task */
    uint32_t offset;      /* of the page that is asked for */
    uint32_t pages;
    int64_t total; /* of the present list, as its first page says */
    int64_t read;  /* entries of it so far */
    bool told;     /* that it cannot be looked for */
    bool partial;  /* a list was not read whole */
    bool landed;
    int64_t landed_start;
    int32_t landed_status;
    uint32_t task_count;
    uint32_t backup_count;
    struct listed_task tasks[LOOKUP_TASKS_MAX];
    int64_t backups[LOOKUP_BACKUPS_MAX]; /* their starts, of manual ones without the tag */
};

/*
 * A look begins: what the one before showed is forgotten. `sent_s` is when the attempt may have
 * left at the earliest, `now_s` the present, both by the cloud's clock as far as it is known.
 */
void lookup_begin(struct doubt *doubt, struct mono now, int64_t sent_s, int64_t now_s);

/* Takes a page in; true where another page of the list follows at `offset`. */
bool lookup_take_tasks(struct doubt *doubt, const struct task_page *page);
bool lookup_take_backups(struct doubt *doubt, const struct backup_page *page);

/*
 * Both lists are in. `ret_task_id` is set for LANDED: 0 where the backup's task is not in the list.
 */
enum lookup_result lookup_judge(struct doubt *doubt, int64_t settle_us, struct mono now,
                                int64_t *ret_task_id);

/*
 * The delay before another look when nothing was found out for LOOKUP_PATIENCE times the settling
 * time: a quarter of what was waited, and no longer than till the run's time is over.
 */
int64_t lookup_later_us(const struct doubt *doubt, int64_t left_us, struct mono now);

/* The delay before the next look. */
int64_t lookup_delay_us(const struct doubt *doubt, int64_t settle_us, struct mono now);
