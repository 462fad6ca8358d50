/*
 * The cloud and the network: a request's way there and back, what the cloud makes of it, and the
 * tasks that it began.
 */
#pragma once

#include "base/reply.h"
#include "engine/ports.h"
#include "sim/dice.h"
#include "sim/world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

/* What becomes of a request, drawn when it is sent. */
enum fate {
    FATE_NOT_SENT,
    FATE_LOST_BEFORE,
    FATE_LOST_AFTER,
    FATE_SILENT,
    FATE_GATEWAY,
    FATE_GARBAGE,
    FATE_INTERNAL,
    FATE_FINAL,
    FATE_BUSY,
    FATE_NONE,
    FATE_DEAD, /* not drawn: its host is dead, and says nothing */
};

#define MESSAGE_OF_NO_RECORD SIZE_MAX

struct message {
    enum cloud_action action;
    size_t record; /* MESSAGE_OF_NO_RECORD: it only asks */
    int looks_at;  /* the instance whose backups it was told; -1: none */
    int64_t sent_at;
    uint64_t era;  /* of its host */
    uint64_t keys; /* the generation that signed it */
    bool revoked;  /* and the cloud refuses it */
    bool is_probe;
    uint64_t ticket;
    int host;
    int rate;        /* per_second when it was sent */
    int64_t stamp_s; /* X-TC-Timestamp */
    int64_t deadline_at;
    enum fate fate;
    bool acted;
    bool definite;
    bool over;
    int64_t task_id;
    enum exchange_kind outcome;
    int http_status;
    int64_t date_second;
    char *request; /* its body, until it has arrived */
    char *body;    /* of the answer; NULL: none yet */
};

/* ---- tasks ---- */

#define TASK_FIRST INT64_C(6954227)
#define TASK_OF_OTHERS SIZE_MAX

enum task_status {
    STATUS_PREPARING,
    STATUS_RUNNING,
    STATUS_SUCCEEDED,
    STATUS_FAILED,
};

/* One backup that was begun. */
struct task {
    int64_t id;
    int instance;
    size_t record;            /* of the oracle; TASK_OF_OTHERS: begun at the console */
    int64_t begins_at;        /* true time, which is the cloud's */
    int64_t backup_begins_at; /* its backup's start as that is shown */
    int64_t ends_at;
    int64_t listed_at;        /* by DescribeTaskList */
    int64_t backup_listed_at; /* by DescribeInstanceBackups */
    bool fails;
    bool automatic; /* not among the manual tasks */
    char *remark;
};

struct tasks {
    struct dice dice;
    struct task *list; /* in the order of their ids and instants */
    size_t count;
    size_t capacity;
};

struct cloud {
    struct dice dice;
    struct message *messages;
    size_t count;
    size_t capacity;
    int in_flight;
    struct tasks tasks;
    int64_t locked_until[WORLD_INSTANCES_MAX];
    int64_t second[WORLD_HOSTS_MAX][CLOUD_ACTIONS]; /* the fixed second that is counted */
    int counted[WORLD_HOSTS_MAX][CLOUD_ACTIONS];
};

/* cloud_tasks.c. The task is valid until the next one begins. */
const struct task *tasks_begin(struct sim *sim, int instance, const char *remark, size_t record,
                               int64_t at, int64_t takes_us);
const struct task *tasks_find(const struct tasks *tasks, int64_t id); /* NULL: none */
enum task_status task_status(const struct task *task, int64_t at);
void tasks_finish(struct tasks *tasks);

/*
 * Backups that people begin at the console till `until`, or the cloud by its own plan;
 * EVENT_OPERATOR comes for each. Some come soon after a request of ours that gets lost.
 */
void operators_plan(struct sim *sim, int64_t until);
void operators_follow(struct sim *sim, int instance);
void operator_acts(struct sim *sim, int instance);

/* cloud_answers.c: what the three actions that only ask are answered. */
void cloud_answer_question(struct sim *sim, struct message *m, int64_t at);

/* "YYYY-MM-DD hh:mm:ss" as the API shows a second of the cloud's clock. Returns `ret`. */
const char *cloud_time(int64_t second, char ret[24]);

/* The Remark of a ManualBackupInstance, "" without one. */
const char *cloud_remark_of(struct sim *sim, const struct message *m, char *buffer, size_t size);

/* cloud_decide.c: the cloud's part, at the request's arrival. */
void cloud_decide(struct sim *sim, struct message *m, int64_t at);
/* A whole answer: the members of its Response. */
void cloud_answer(struct message *m, const char *members);
void cloud_refuse(struct message *m, const char *code, const char *text, bool definite);

/* cloud.c: the transport's twin. */
struct transport cloud_transport(struct sim *sim);
void cloud_leave(struct sim *sim, uint64_t index);
void cloud_arrive(struct sim *sim, uint64_t index, int64_t at);
void cloud_outcome(struct sim *sim, uint64_t index);
void cloud_forget(struct sim *sim); /* the process is gone, what has left is on its way */
void cloud_finish(struct cloud *cloud);
