/*
 * A watch: a backup that the cloud accepted, followed until its task has ended.
 *
 *   the task is asked for after WATCH_FIRST_US, then each time its age has grown by a third, at
 *   most WATCH_MOST_US apart; an answer that does not come is asked for again after as long
 *
 *   succeed            backup_succeeded
 *   failed, error      backup_failed, or another attempt where the schedule's retry_failed and
 *                      start_within allow one
 *   complete_within    backup_failed, reason stuck: it is no longer watched. Where the last answer
 *                      is old (the daemon was down, or the host), it is asked for once more: an
 *                      answer that it still runs ends that grace, so does WATCH_GRACE_US after a
 *                      question of it was first sent in vain. However long the question waits for
 *                      its turn, or for an endpoint that is dead, it has WATCH_GRACE_MOST_US
 */
#pragma once

#include "engine/inquiry.h"
#include "engine/ongoing.h"

#define WATCH_FIRST_US (2 * US_PER_SECOND)
#define WATCH_MOST_US (300 * US_PER_SECOND)
#define WATCH_GRACE_US (60 * US_PER_SECOND)
#define WATCH_GRACE_MOST_US (SECONDS_PER_DAY * US_PER_SECOND)
#define WATCHES_MAX (1024 * 1024)

struct watch {
    struct ongoing ongoing; /* first its identity: names and slot */
    struct inquiry ask;
    struct heap_node stale; /* in the engine's heap, by the instant when complete_within ends */
    const char *region;
    int64_t task_id;
    int attempt;
    int failures; /* of tasks of this slot before */
    enum ledger_kind kind;
    struct wall submitted_at;
    struct mono since;      /* when it was first watched, in this life */
    struct wall overdue_at; /* the end of complete_within */
    struct now running_at;  /* when it was last seen not ended; 0: never */
    uint16_t failed; /* what the last question came to, see engine_note_watch(); 0: an answer */
    bool told;       /* that it cannot be asked for */
    bool graced;     /* asked for once more at the end of complete_within */
    bool in_vain;    /* and that was answered by a failure: the end of its grace is near */
    char names[];    /* schedule, instance, region */
};
