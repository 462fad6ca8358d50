/*
 * See cloud.h: what the actions that only ask are answered, and the reading of requests. A request
 * that the API would not take is the program's fault, and is told to the oracle.
 *
 * Times are "YYYY-MM-DD hh:mm:ss" of UTC+8 by the cloud's clock; lists have the newest first.
 */
#include "base/civil.h"
#include "base/json.h"
#include "base/text.h"
#include "sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONE_S (8 * INT64_C(3600))
#define PAGE 20
#define PAGE_MAX 100
#define DAYS_MAX 30
#define NO_BEGIN (INT64_MIN / 2)
#define NO_END (INT64_MAX / 2)
#define MANUAL_BACKUP "012"
#define AUTOMATIC_BACKUP "017"
#define STATUS_LOCKED 1 /* of a backup: its task runs */
#define STATUS_NORMAL 2
#define ENTRY_MAX 512 /* of an answer, without the remark */

/* What a request asks for; seconds of the cloud's clock. */
struct question {
    char instance[MODEL_INSTANCE_ID_MAX];
    int number; /* of the instance */
    int64_t task;
    int64_t limit;
    int64_t offset;
    int64_t from_s;
    int64_t to_s;
    unsigned statuses; /* a bit for each */
    bool manual;       /* manual backups are among the types asked for */
    bool automatic;
};

/* ---- reading ---- */

static bool read_text(struct json_value value, char *buffer, size_t size)
{
    struct text text = text_over(buffer, size);
    return json_add_string(value, &text) == 0 && !text.cut;
}

static bool read_second(struct json_value value, int64_t *ret)
{
    char text[24];
    char written[24];
    struct civil c;
    if (!read_text(value, text, sizeof text)
        || sscanf(text, "%" SCNd64 "-%d-%d %d:%d:%d", &c.year, &c.month, &c.day, &c.hour, &c.minute,
                  &c.second)
               != 6)
        return false;
    *ret = civil_to_seconds(&c) - ZONE_S;
    cloud_time(*ret, written);
    return strcmp(text, written) == 0; /* no other spelling, no 31 February */
}

static bool read_statuses(struct json_value list, unsigned *ret)
{
    struct json_value at = {NULL, NULL};
    unsigned statuses = 0;
    while (json_next(list, &at)) {
        int64_t number;
        if (json_int64(at, &number) != 0 || number < -1 || number > 4)
            return false;
        if (number > 0)
            statuses |= 1U << number;
    }
    if (statuses != 0)
        *ret = statuses;
    return json_kind_of(list) == JSON_ARRAY;
}

static bool read_types(struct json_value list, struct question *q)
{
    struct json_value at = {NULL, NULL};
    char type[8];
    q->manual = q->automatic = false;
    while (json_next(list, &at)) {
        if (!read_text(at, type, sizeof type))
            return false;
        q->manual = q->manual || strcmp(type, MANUAL_BACKUP) == 0;
        q->automatic = q->automatic || strcmp(type, AUTOMATIC_BACKUP) == 0;
    }
    return json_kind_of(list) == JSON_ARRAY;
}

/* Which actions know a member. */
#define ASKS_TASK (1U << ACTION_TASK_INFO)
#define ASKS_LIST (1U << ACTION_TASK_LIST)
#define ASKS_BACKUPS (1U << ACTION_BACKUPS)

static bool read_member(struct json_value root, const char *name, unsigned actions,
                        enum cloud_action action, struct json_value *ret, int *count)
{
    if ((actions & 1U << action) == 0 || json_member(root, name, ret) != 0)
        return false;
    ++*count;
    return true;
}

static bool read_question(struct json_value root, enum cloud_action action, struct question *q)
{
    struct json_value value;
    struct json_value at = {NULL, NULL};
    int known = 0;
    int there = 0;
    bool good = true;
    if (read_member(root, "TaskId", ASKS_TASK, action, &value, &known))
        good = json_int64(value, &q->task) == 0 && json_kind_of(value) == JSON_NUMBER && good;
    if (read_member(root, "InstanceId", ASKS_LIST | ASKS_BACKUPS, action, &value, &known))
        good = read_text(value, q->instance, sizeof q->instance) && good;
    if (read_member(root, "Limit", ASKS_LIST | ASKS_BACKUPS, action, &value, &known))
        good = json_int64(value, &q->limit) == 0 && good;
    if (read_member(root, "Offset", ASKS_LIST | ASKS_BACKUPS, action, &value, &known))
        good = json_int64(value, &q->offset) == 0 && good;
    if (read_member(root, "BeginTime", ASKS_LIST | ASKS_BACKUPS, action, &value, &known))
        good = read_second(value, &q->from_s) && good;
    if (read_member(root, "EndTime", ASKS_LIST | ASKS_BACKUPS, action, &value, &known))
        good = read_second(value, &q->to_s) && good;
    if (read_member(root, "TaskTypes", ASKS_LIST, action, &value, &known))
        good = read_types(value, q) && good;
    if (read_member(root, "Status", ASKS_BACKUPS, action, &value, &known))
        good = read_statuses(value, &q->statuses) && good;
    while (json_next(root, &at))
        there++;
    bool names_one = action == ACTION_TASK_INFO ? q->task > 0 : q->instance[0] != '\0';
    return good && known == there && names_one && q->limit > 0 && q->limit <= PAGE_MAX
           && q->offset >= 0 && q->offset % q->limit == 0 && q->from_s <= q->to_s
           && (q->from_s == NO_BEGIN || q->to_s == NO_END
               || q->to_s - q->from_s <= DAYS_MAX * SECONDS_PER_DAY);
}

static bool ask(const struct message *m, struct question *ret)
{
    struct json json;
    struct errtext err;
    *ret = (struct question){
        .limit = PAGE,
        .from_s = NO_BEGIN,
        .to_s = NO_END,
        .statuses = 1U << STATUS_NORMAL,
        .manual = true,
        .automatic = true,
        .number = -1,
    };
    if (json_read(&json, m->request, strlen(m->request), &err) != 0)
        return false;
    bool good = read_question(json_root(&json), m->action, ret);
    json_finish(&json);
    if (strncmp(ret->instance, "crs-sim", strlen("crs-sim")) == 0)
        ret->number = (int)strtol(ret->instance + strlen("crs-sim"), NULL, 10);
    return good;
}

const char *cloud_remark_of(struct sim *sim, const struct message *m, char *buffer, size_t size)
{
    struct json json;
    struct json_value value;
    struct errtext err;
    buffer[0] = '\0';
    if (json_read(&json, m->request, strlen(m->request), &err) != 0) {
        oracle_break(&sim->oracle, RULE_ACCOUNT, "not JSON: %s", m->request);
        return buffer;
    }
    if (json_member(json_root(&json), "Remark", &value) == 0 && !read_text(value, buffer, size))
        oracle_break(&sim->oracle, RULE_ACCOUNT, "no such Remark: %s", m->request);
    json_finish(&json);
    return buffer;
}

/* ---- writing ---- */

const char *cloud_time(int64_t second, char ret[24])
{
    struct civil c = civil_from_seconds(second + ZONE_S);
    (void)snprintf(ret, 24, "%04d-%02d-%02d %02d:%02d:%02d", (int)c.year, c.month, c.day, c.hour,
                   c.minute, c.second);
    return ret;
}

/* "" of a task that has not ended. */
static const char *end_time(struct sim *sim, const struct task *task, int64_t at, char ret[24])
{
    ret[0] = '\0';
    if (at >= task->ends_at)
        cloud_time(clock_cloud_second(&sim->clock, task->ends_at), ret);
    return ret;
}

static void answer_task_info(struct sim *sim, struct message *m, int64_t at,
                             const struct question *q)
{
    static const char *const statuses[] = {"preparing", "running", "succeed", "failed"};
    const struct task *task = tasks_find(&sim->cloud.tasks, q->task);
    char id[MODEL_INSTANCE_ID_MAX];
    char start[24];
    char members[ENTRY_MAX];
    if (task == NULL) {
        cloud_refuse(m, "InvalidParameter.InvalidParameter", "The task does not exist.", true);
        return;
    }
    world_instance_id(task->instance, id);
    enum task_status status = task_status(task, at);
    (void)snprintf(members, sizeof members,
                   "\"Status\":\"%s\",\"StartTime\":\"%s\",\"TaskType\":\"\xe6\x89\x8b\xe5\x8a\xa8"
                   "\",\"InstanceId\":\"%s\",\"TaskMessage\":\"%s\"",
                   statuses[status],
                   cloud_time(clock_cloud_second(&sim->clock, task->begins_at), start), id,
                   status == STATUS_FAILED ? "the node failed\\nevent=forged" : "");
    cloud_answer(m, members);
}

static void add_task(struct sim *sim, struct text *text, const struct task *task, int64_t at)
{
    static const int results[] = {0, 1, 2, 4};
    static const int progress[] = {0, 50, 100, 50};
    enum task_status status = task_status(task, at);
    const char *quote = task->id % 2 == 0 ? "\"" : "";
    char start[24];
    char end[24];
    char id[MODEL_INSTANCE_ID_MAX];
    world_instance_id(task->instance, id);
    const char *type = task->automatic ? AUTOMATIC_BACKUP : MANUAL_BACKUP;
    text_addf(text,
              "{\"TaskId\":%s%lld%s,\"StartTime\":\"%s\",\"EndTime\":\"%s\",\"TaskType\":\"%s\","
              "\"InstanceId\":\"%s\",\"Progress\":%d,\"Result\":%d}",
              quote, (long long)task->id, quote,
              cloud_time(clock_cloud_second(&sim->clock, task->begins_at), start),
              end_time(sim, task, at, end), type, id, progress[status], results[status]);
}

static void add_backup(struct sim *sim, struct text *text, const struct task *task, int64_t at)
{
    int64_t begins_s = clock_cloud_second(&sim->clock, task->backup_begins_at);
    char start[24];
    char end[24];
    char id[MODEL_INSTANCE_ID_MAX];
    world_instance_id(task->instance, id);
    text_addf(text,
              "{\"StartTime\":\"%s\",\"EndTime\":\"%s\",\"BackupId\":\"641-%lld-%lld\","
              "\"BackupType\":\"%d\",\"Status\":%d,\"Remark\":",
              cloud_time(begins_s, start), end_time(sim, task, at, end), (long long)task->id * 7,
              (long long)begins_s, task->automatic ? 1 : 0,
              at < task->ends_at ? STATUS_LOCKED : STATUS_NORMAL);
    text_add_json(text, task->remark, strlen(task->remark));
    text_addf(text, ",\"InstanceId\":\"%s\"}", id);
}

/* Whether the list has it by now. A task that fails leaves no backup. */
static bool is_listed(struct sim *sim, const struct task *task, enum cloud_action action,
                      const struct question *q, int64_t at)
{
    bool of_tasks = action == ACTION_TASK_LIST;
    int64_t begins_s =
        clock_cloud_second(&sim->clock, of_tasks ? task->begins_at : task->backup_begins_at);
    if (task->instance != q->number || begins_s < q->from_s || begins_s > q->to_s)
        return false;
    if (of_tasks)
        return (task->automatic ? q->automatic : q->manual) && at >= task->listed_at
               && begins_s >= clock_cloud_second(&sim->clock, at) - DAYS_MAX * SECONDS_PER_DAY;
    unsigned status = at < task->ends_at ? STATUS_LOCKED : STATUS_NORMAL;
    bool is_there = at < task->ends_at || !task->fails;
    return is_there && at >= task->backup_listed_at && (q->statuses & 1U << status) != 0;
}

static void answer_list(struct sim *sim, struct message *m, int64_t at, const struct question *q)
{
    const struct tasks *tasks = &sim->cloud.tasks;
    int64_t total = 0;
    size_t size = ENTRY_MAX * 2;
    for (size_t i = 0; i < tasks->count; i++) /* every byte of a remark may be escaped */
        if (is_listed(sim, &tasks->list[i], m->action, q, at))
            size += ENTRY_MAX + 6 * strlen(tasks->list[i].remark);
    char *buffer = malloc(size);
    assert(buffer != NULL);
    struct text text = text_over(buffer, size);
    bool of_tasks = m->action == ACTION_TASK_LIST;
    bool is_short = dice_chance(&sim->cloud.tasks.dice, sim->faults->short_lists);
    int64_t kept = is_short ? dice_range(&sim->cloud.tasks.dice, 0, 2) : q->limit;
    text_addf(&text, "\"%s\":[", of_tasks ? "Tasks" : "BackupSet");
    for (size_t i = tasks->count; i-- > 0;) {
        const struct task *task = &tasks->list[i];
        if (!is_listed(sim, task, m->action, q, at))
            continue;
        int64_t place = total++ - q->offset;
        if (place < 0 || place >= q->limit || place >= kept)
            continue;
        if (place > 0)
            text_add_char(&text, ',');
        (of_tasks ? add_task : add_backup)(sim, &text, task, at);
    }
    text_addf(&text, "],\"TotalCount\":%lld", (long long)total);
    assert(!text.cut);
    cloud_answer(m, buffer);
    free(buffer);
}

void cloud_answer_question(struct sim *sim, struct message *m, int64_t at)
{
    struct question q;
    if (!ask(m, &q)) {
        oracle_break(&sim->oracle, RULE_ACCOUNT, "the API would not take %s: %s",
                     world_action_name(m->action), m->request);
        return;
    }
    if (m->action == ACTION_TASK_INFO)
        answer_task_info(sim, m, at, &q);
    else
        answer_list(sim, m, at, &q);
    if (m->action == ACTION_BACKUPS)
        m->looks_at = q.number;
}
