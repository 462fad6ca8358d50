/*
 * What the reading actions answer: the state of a task, the tasks of an instance, its backups.
 *
 * Each function judges one exchange: the verdict is accepted where the answer could be read, and
 * then `ret` is filled; else it says what went wrong and `ret` means nothing.
 *
 * The cloud's stamps carry no zone; they are taken as UTC+8. Instants are seconds since 1970.
 */
#pragma once

#include "base/reply.h"

#include <stdint.h>

#define LISTING_PAGE 100 /* entries asked for and read at once: the API's most */
#define LISTING_ZONE_SECONDS (8 * 3600)
#define LISTING_STAMP_MAX 20 /* "YYYY-MM-DD hh:mm:ss" and a NUL */
#define LISTING_NO_TIME INT64_MIN
#define LISTING_STATUS_MAX 16

enum task_state {
    TASK_RUNNING, /* or not begun, or in words that are not known */
    TASK_SUCCEEDED,
    TASK_FAILED,
};

struct task_info {
    enum task_state state;
    char status[LISTING_STATUS_MAX]; /* the cloud's word */
    char message[REPLY_MESSAGE_MAX]; /* one line */
};

struct listed_task {
    int64_t id;
    int64_t start; /* LISTING_NO_TIME where it cannot be read */
    bool failed;
};

struct listed_backup {
    int64_t start;
    int32_t status; /* 1 under way, 2 normal, 3 and 4 exported, -1 expired */
    bool manual;    /* somebody asked for it; false where that is not said */
    bool tagged;    /* its remark holds the tag */
};

struct task_page {
    int64_t total;
    uint32_t count;
    struct listed_task list[LISTING_PAGE];
};

struct backup_page {
    int64_t total;
    uint32_t count;
    struct listed_backup list[LISTING_PAGE];
};

void listing_judge_task(const struct exchange *exchange, struct task_info *ret,
                        struct verdict *ret_verdict);
void listing_judge_tasks(const struct exchange *exchange, struct task_page *ret,
                         struct verdict *ret_verdict);
void listing_judge_backups(const struct exchange *exchange, const char *tag,
                           struct backup_page *ret, struct verdict *ret_verdict);

/* A stamp for a query, as the cloud writes them. Returns `ret`. */
const char *listing_stamp(int64_t second, char ret[LISTING_STAMP_MAX]);
