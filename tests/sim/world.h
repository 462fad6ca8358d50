/*
 * A generated world: what one seed stands for. Configurations with their schedules, instances and
 * hosts, how the cloud, the ledger and the keys behave, and a script of what befalls the host.
 *
 * A world does not change once it is made; all of it follows from the seed.
 */
#pragma once

#include "engine/model.h"
#include "sim/almanac.h"
#include "sim/dice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_INSTANCES_MAX 100
#define WORLD_SCHEDULES_MAX 6
#define WORLD_HOSTS_MAX 3
#define WORLD_GENERATIONS_MAX 5
#define WORLD_ACTS_MAX 48
#define WORLD_OUTAGES_MAX 4
#define WORLD_ERRANDS_MAX 64
#define WORLD_LAPSES_MAX 3
#define ERRAND_NAMES_MAX 10

/* What the API is asked. */
enum cloud_action {
    ACTION_BACKUP,    /* ManualBackupInstance; the others only ask */
    ACTION_TASK_INFO, /* DescribeTaskInfo */
    ACTION_TASK_LIST, /* DescribeTaskList */
    ACTION_BACKUPS,   /* DescribeInstanceBackups */
    CLOUD_ACTIONS,
};

enum world_kind {
    WORLD_BACKLOG, /* no faults: everything due at once, measured for throughput */
    WORLD_CALM,    /* no faults: measured for lateness */
    WORLD_BUSY,    /* short periods, every fault, small clock steps */
    WORLD_LONG,    /* hours and days, big clock steps, suspends, restarts */
    WORLD_KINDS,
};

struct plan_of_schedule {
    bool present; /* in this generation's file */
    struct rule rule;
    int64_t spread_us;
    int64_t start_within_us;
    bool catches_up;
    bool paused;
    int64_t complete_within_us;
    bool forbids_overlap;
    bool resends; /* on_unknown: resend */
    int retry_failed;
    bool has[WORLD_INSTANCES_MAX];
};

/* One version of the configuration. */
struct generation {
    struct plan_of_schedule schedules[WORLD_SCHEDULES_MAX];
    int host_of[WORLD_INSTANCES_MAX];
    int per_second;
    int burst;
    int max_in_flight;
    int64_t connect_timeout_us;
    int64_t timeout_us;
};

/* What goes wrong how often, in thousandths of the requests. */
struct faults {
    int not_sent;
    int lost_before; /* the cloud never acted on it */
    int lost_after;  /* it did */
    int silent;      /* no answer till the time-out; acted or not */
    int gateway;     /* HTTP 5xx; acted or not */
    int garbage;     /* acted or not */
    int internal;    /* InternalError and FailedOperation.SystemError; acted or not */
    int final;
    int busy;
    int others;           /* of the cloud's quota, used up by other programs */
    int transfers_max;    /* of the transport; 0: no limit of its own */
    int64_t leave_max_us; /* between send() and the wire */
    int64_t latency_max_us;
    int64_t task_max_us; /* an instance stays locked so long */
    int task_fails;
    int slow_tasks; /* of them take longer */
    int64_t slow_task_max_us;
    int64_t task_us;           /* each takes so long; 0: by chance */
    int64_t list_lag_max_us;   /* between the beginning of a task and its standing in a list */
    int64_t backup_lag_max_us; /* a backup begins so long after its task */
    int short_lists;           /* lists that do not hold all that they count */
    int automatic;             /* of what is begun at the console: by the cloud's own plan */
    int neighbours;            /* lost requests that somebody else's backup comes soon after */
    int64_t ledger_max_us;
    int ledger_refuses; /* append() fails */
    int ledger_fails;   /* a negative answer comes later */
};

enum act_kind {
    ACT_STEP,       /* the calendar clock is set: by_us */
    ACT_SUSPEND,    /* for by_us */
    ACT_RELOAD,     /* number: generation */
    ACT_KEYS,       /* number: 0 gone, 1 back */
    ACT_FAULTS,     /* number: 0 none, 1 the world's */
    ACT_RESTART,    /* drain, away for by_us, start again; number: with this generation, or -1 */
    ACT_CRASH,      /* the same without a drain */
    ACT_CRASH_OPEN, /* the same after the next turn that opens a slot */
    ACT_QUIET,      /* no faults from now on: what is due must end */
    ACT_DRAIN,      /* the end */
};

struct act {
    int64_t at; /* true time, ns */
    enum act_kind kind;
    int number;
    int64_t by_us;
    bool no_turn; /* the next act comes before the engine has had a turn */
};

/* What an operator asks of the daemon. */
enum errand_kind {
    ERRAND_RUN,
    ERRAND_PAUSE,
    ERRAND_RESUME,
};

struct errand_name {
    int schedule;
    int instance; /* may not be there */
};

struct errand {
    int64_t at; /* true time, ns */
    enum errand_kind kind;
    int schedule;
    struct errand_name names[ERRAND_NAMES_MAX]; /* to be run; some stand there twice */
    int name_count;                             /* 0: all of the schedule */
    int64_t for_us;                             /* to be paused; 0: without an end */
};

#define LAPSE_STEPS 3

/*
 * The process dies, lives by a lapsed file, dies, lives by the file as it was, and dies once more:
 * each step comes `after_us` the one before.
 */
struct lapse {
    int64_t at;          /* true time, ns */
    bool waits_for_send; /* with the next turn that sends a backup */
    int64_t after_us[LAPSE_STEPS];
    int64_t away_us[LAPSE_STEPS];
    bool drains[LAPSE_STEPS]; /* else it crashes */
};

/* A host that is dead: none of its requests is answered by the API. */
enum outage_kind {
    OUTAGE_REFUSED,  /* no connection: at once */
    OUTAGE_UNROUTED, /* no connection: after the time that one may take */
    OUTAGE_SILENT,   /* what is sent gets no answer, and nobody acts on it */
    OUTAGE_KINDS,
};

struct outage {
    int host;
    enum outage_kind kind;
    int64_t from; /* true time, ns */
    int64_t until;
};

struct world {
    uint64_t seed;
    enum world_kind kind;
    int instance_count;
    int host_count;
    bool keeps_regions; /* where a file gives an instance another host, it is in the same region */
    int64_t real_us;    /* the true calendar instant at the beginning */
    int64_t wrong_us;   /* what the host's clock is off then */
    int64_t built_us;   /* the program's making */
    bool token;         /* keys with a session token */
    bool durable;       /* the ledger outlives the process */
    int64_t settle_us;  /* of every file */
    struct generation generations[2 * WORLD_GENERATIONS_MAX]; /* the second half: lapsed */
    int generation_count;
    struct faults calm;
    struct faults faults;
    struct act acts[WORLD_ACTS_MAX];
    int act_count;
    struct errand errands[WORLD_ERRANDS_MAX];
    int errand_count;
    struct lapse lapses[WORLD_LAPSES_MAX];
    int lapse_count;
    struct outage outages[WORLD_OUTAGES_MAX];
    int outage_count;
    bool keys_may_change; /* else they are those of the environment */
    int64_t revoked_at;   /* the first keys are refused from then on; true time, ns; 0: never */
    int64_t replaced_at;  /* others are where they are read; valid with revoked_at */
};

void world_make(struct world *world, uint64_t seed, bool big);

/* world_tasks.c: the last part of it. */
void world_make_tasks(struct world *world);

/* world_errands.c: what operators ask; nothing else of the world follows from it. */
void world_make_errands(struct world *world, bool big);

/* world_lapses.c: what the file forgets for a life; nothing else of the world follows from it. */
void world_make_lapses(struct world *world);

/* The same version of the file, lapsed; and as it was. */
int world_lapsed(int generation);
int world_unlapsed(int generation);

/* NULL where the host lives. */
const struct outage *world_outage(const struct world *world, int host, int64_t at);

/* No faults of any kind: rate and lateness can be held to the promise. */
bool world_is_calm(const struct world *world);

/* Names, as the configuration and the cloud have them. */
const char *world_schedule_name(int schedule);
void world_instance_id(int instance, char ret[MODEL_INSTANCE_ID_MAX]);
const char *world_host_url(int host);
const char *world_region(int host);
int world_find_region(const char *region); /* its host; -1: none */
int world_find_host(const char *url);
const char *world_action_name(enum cloud_action action);
int world_find_action(const char *name); /* -1: none */

/* Builds the frozen config of a generation; aborts when memory is short. */
struct config *world_config(const struct world *world, int generation);

const char *world_kind_name(enum world_kind kind);
const char *act_kind_name(enum act_kind kind);
