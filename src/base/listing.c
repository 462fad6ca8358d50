/*
 * See listing.h. An entry without its number, or a list that is none, makes the whole answer
 * unreadable: a list that misses one is no proof that something is not there. A stamp that cannot
 * be read is only not known.
 */
#include "base/listing.h"

#include "base/civil.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REMARK_MAX 2048 /* a longer one is somebody else's: a tag and its text fit */

const char *listing_stamp(int64_t second, char ret[LISTING_STAMP_MAX])
{
    struct civil c = civil_from_seconds(second + LISTING_ZONE_SECONDS);
    struct text t = text_over(ret, LISTING_STAMP_MAX);
    text_addf(&t, "%04d-%02d-%02d %02d:%02d:%02d", (int)c.year, c.month, c.day, c.hour, c.minute,
              c.second);
    return ret;
}

static bool read_digits(const char **at, int count, int *ret)
{
    int number = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        number = number * 10 + (**at - '0');
    }
    *ret = number;
    return true;
}

static bool skip(const char **at, char c)
{
    return *(*at)++ == c;
}

static int64_t read_stamp(struct json_value object, const char *name)
{
    struct json_value value;
    char stamp[LISTING_STAMP_MAX + 1];
    struct text t = text_over(stamp, sizeof stamp);
    if (json_member(object, name, &value) != 0 || json_add_string(value, &t) != 0
        || strlen(stamp) != LISTING_STAMP_MAX - 1)
        return LISTING_NO_TIME;
    const char *at = stamp;
    int year;
    struct civil c = {0};
    if (!read_digits(&at, 4, &year) || !skip(&at, '-') || !read_digits(&at, 2, &c.month)
        || !skip(&at, '-') || !read_digits(&at, 2, &c.day) || !skip(&at, ' ')
        || !read_digits(&at, 2, &c.hour) || !skip(&at, ':') || !read_digits(&at, 2, &c.minute)
        || !skip(&at, ':') || !read_digits(&at, 2, &c.second))
        return LISTING_NO_TIME;
    c.year = year;
    if (c.year < 1 || c.month < 1 || c.month > 12 || c.day < 1
        || c.day > civil_month_length(c.year, c.month) || c.hour > 23 || c.minute > 59
        || c.second > 59)
        return LISTING_NO_TIME;
    return civil_to_seconds(&c) - LISTING_ZONE_SECONDS;
}

static int read_number(struct json_value object, const char *name, int64_t *ret)
{
    struct json_value value;
    return json_member(object, name, &value) != 0 ? -EINVAL : json_int64(value, ret);
}

/* ---- one task ---- */

static int read_task(void *context, const struct json_value *response, struct errtext *err)
{
    struct task_info *info = context;
    struct json_value value;
    *info = (struct task_info){.state = TASK_RUNNING};
    struct text t = text_over(info->status, sizeof info->status);
    if (json_member(*response, "Status", &value) != 0 || json_add_string(value, &t) != 0)
        return errtext_set(err, -EINVAL, "the reply has no single Status");
    t = text_over(info->message, sizeof info->message);
    if (json_member(*response, "TaskMessage", &value) == 0)
        (void)!json_add_string(value, &t); /* null where there is none */
    if (strcmp(info->status, "succeed") == 0)
        info->state = TASK_SUCCEEDED;
    else if (strcmp(info->status, "failed") == 0 || strcmp(info->status, "error") == 0)
        info->state = TASK_FAILED;
    return 0;
}

void listing_judge_task(const struct exchange *exchange, struct task_info *ret,
                        struct verdict *ret_verdict)
{
    reply_judge_query(exchange, read_task, ret, ret_verdict);
}

/* ---- lists ---- */

static int read_list(const struct json_value *response, const char *name, int64_t *ret_total,
                     struct json_value *ret, struct errtext *err)
{
    if (read_number(*response, "TotalCount", ret_total) != 0 || *ret_total < 0)
        return errtext_set(err, -EINVAL, "the reply has no single TotalCount");
    if (json_member(*response, name, ret) != 0 || json_kind_of(*ret) != JSON_ARRAY)
        return errtext_set(err, -EINVAL, "the reply has no single %s", name);
    return 0;
}

#define RESULT_FAILED 4

static int read_tasks(void *context, const struct json_value *response, struct errtext *err)
{
    struct task_page *page = context;
    struct json_value list;
    int r = read_list(response, "Tasks", &page->total, &list, err);
    if (r < 0)
        return r;
    page->count = 0;
    struct json_value entry = {NULL, NULL};
    while (json_next(list, &entry)) {
        struct listed_task task = {.start = read_stamp(entry, "StartTime")};
        int64_t result = 0;
        if (page->count == LISTING_PAGE || read_number(entry, "TaskId", &task.id) != 0
            || read_number(entry, "Result", &result) != 0)
            return errtext_set(err, -EINVAL, "the reply has a task that cannot be read");
        task.failed = result == RESULT_FAILED;
        page->list[page->count++] = task;
    }
    return 0;
}

void listing_judge_tasks(const struct exchange *exchange, struct task_page *ret,
                         struct verdict *ret_verdict)
{
    reply_judge_query(exchange, read_tasks, ret, ret_verdict);
}

struct backup_reading {
    struct backup_page *page;
    const char *tag;
};

static bool is_tagged(struct json_value entry, const char *tag)
{
    struct json_value value;
    char remark[REMARK_MAX];
    struct text t = text_over(remark, sizeof remark);
    return json_member(entry, "Remark", &value) == 0 && json_add_string(value, &t) == 0
           && strstr(remark, tag) != NULL;
}

/* The API shows the type as a string; a number is as good. */
static bool is_manual(struct json_value entry)
{
    struct json_value value;
    int64_t type;
    return json_member(entry, "BackupType", &value) == 0 && json_int64(value, &type) == 0
           && type == 0;
}

static int read_backups(void *context, const struct json_value *response, struct errtext *err)
{
    const struct backup_reading *reading = context;
    struct backup_page *page = reading->page;
    struct json_value list;
    int r = read_list(response, "BackupSet", &page->total, &list, err);
    if (r < 0)
        return r;
    page->count = 0;
    struct json_value entry = {NULL, NULL};
    while (json_next(list, &entry)) {
        int64_t status = 0;
        if (page->count == LISTING_PAGE || read_number(entry, "Status", &status) != 0
            || status < INT32_MIN || status > INT32_MAX)
            return errtext_set(err, -EINVAL, "the reply has a backup that cannot be read");
        page->list[page->count++] = (struct listed_backup){
            .start = read_stamp(entry, "StartTime"),
            .status = (int32_t)status,
            .manual = is_manual(entry),
            .tagged = is_tagged(entry, reading->tag),
        };
    }
    return 0;
}

void listing_judge_backups(const struct exchange *exchange, const char *tag,
                           struct backup_page *ret, struct verdict *ret_verdict)
{
    struct backup_reading reading = {ret, tag};
    reply_judge_query(exchange, read_backups, &reading, ret_verdict);
}
