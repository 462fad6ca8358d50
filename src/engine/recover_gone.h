/*
 * Attempts of an earlier life whose fate is unknown and that are not to be made again: their
 * schedule is paused, or they have left the file. They are looked for all the same, since a backup
 * that was begun is to be known and followed; one that is not there ends as skipped. And the lanes
 * where backups are asked for whose instance has left the file.
 *
 * The file says nothing of them any more, so a configuration is made for them alone: schedules by
 * name, instances by id, and the hosts of the regions that the ledger has kept.
 */
#pragma once

#include "engine/engine_internal.h"

#include <stddef.h>

/* One attempt as the ledger has it; texts are borrowed. */
struct lost_attempt {
    const char *schedule;
    const char *instance;
    const char *region;
    struct wall slot;
    enum ledger_kind kind;
    int attempt;
    int retries;
    struct wall started_at;
};

struct listed_gone;

/* Zeroed before the first use. */
struct gone {
    struct config *config; /* NULL: there are none yet */
    struct listed_gone *list;
    size_t count;
    size_t capacity;
};

#define GONE_NOWHERE 1 /* nothing says where its requests enter */

/*
 * The lane of a region that the file need not name, by the file's endpoint. `gone` is one to which
 * no attempt is added. Outcomes: 0; GONE_NOWHERE; -ENOMEM.
 */
int gone_find_lane(struct gone *gone, struct engine *engine, const char *region,
                   struct lane **ret) MUST_CHECK;

/*
 * `like` is the schedule of that name in the file, or NULL; `reason` a word for the log that lasts.
 * Those of one schedule come one after the other.
 * Outcomes: 0; GONE_NOWHERE; -ENOMEM, -E2BIG.
 */
int gone_add(struct gone *gone, const struct engine *engine, const struct schedule *like,
             const struct lost_attempt *lost, const char *reason) MUST_CHECK;

/* All of them are in doubt from here on. Once, after the last. Outcomes: 0; negative. */
int gone_take_up(struct gone *gone, struct engine *engine) MUST_CHECK;
void gone_finish(struct gone *gone);

/*
 * recover.c: an attempt without an end becomes a run that is looked for in the cloud.
 * Outcomes: 0; negative.
 */
int recover_doubt(struct engine *engine, struct open_slot *open, const struct instance *instance,
                  struct lane *lane, const struct lost_attempt *lost) MUST_CHECK;
