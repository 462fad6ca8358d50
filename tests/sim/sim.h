/*
 * One simulated host and its cloud: a world, clocks, the fakes behind the engine's ports, the
 * engine itself, and the oracle that watches.
 */
#pragma once

#include "engine/engine.h"
#include "sim/clock.h"
#include "sim/dice.h"
#include "sim/oracle.h"
#include "sim/trace.h"
#include "sim/world.h"

/* Faults of the program itself, planted to see the oracle find them. */
enum plant {
    PLANT_NONE,
    PLANT_RATE,          /* the limiter lets one more a second through */
    PLANT_DOUBLE_FIRE,   /* the transport calls a lost request not sent */
    PLANT_REPEAT_SLOT,   /* the horizon is forgotten when the clock goes back */
    PLANT_LOST_RUN,      /* an outcome is never filed */
    PLANT_UNRECORDED,    /* the ledger says durable too early */
    PLANT_RETRY_UNKNOWN, /* an ambiguous outcome is retried */
    PLANT_TOKEN_LEAK,    /* tokens of what was not sent are not given back */
    PLANT_OVERSLEEP,     /* the wake for the next token is late */
    PLANT_SPIN,          /* the wake is always at once */
    PLANT_LATE_SEND,     /* start_within is not watched */
    PLANT_SILENT_END,    /* ends are not told to the journal */
    PLANT_EARLY,         /* instants are taken for earlier ones */
};

struct message {
    size_t record;
    uint64_t ticket;
    int host;
    int rate;        /* per_second when it was sent */
    int64_t stamp_s; /* X-TC-Timestamp */
    int64_t deadline_at;
    int fate;
    bool acted;
    bool definite;
    bool over;
    int64_t task_id;
    enum exchange_kind outcome;
    int http_status;
    int64_t date_second;
    char body[320];
};

struct cloud {
    struct dice dice;
    struct message *messages;
    size_t count;
    size_t capacity;
    int in_flight;
    int64_t locked_until[WORLD_INSTANCES_MAX];
    int64_t second[WORLD_HOSTS_MAX]; /* the fixed second that is counted */
    int counted[WORLD_HOSTS_MAX];
    int64_t next_task;
};

struct kept_horizon {
    bool known;
    struct wall slot;
};

struct pending_record {
    uint64_t ticket;
    size_t record;
};

struct ledger_twin {
    struct dice dice;
    struct kept_horizon horizons[WORLD_SCHEDULES_MAX];
    struct pending_record *pending;
    size_t first; /* those before belong to an engine that is gone */
    size_t count;
    size_t capacity;
};

struct sim {
    struct world world;
    struct clock clock;
    struct trace trace;
    struct oracle oracle;
    struct cloud cloud;
    struct ledger_twin ledger;
    struct keys keys;
    bool keys_available;
    const struct faults *faults;
    struct dice chance;
    struct dice owner;
    struct engine *engine;
    struct engine_ports ports;
    int generation;
    bool stopping; /* for a restart: drains till idle */
    int64_t away_us;
    bool over;
};

/* cloud.c: the transport's twin. */
struct transport cloud_transport(struct sim *sim);
void cloud_leave(struct sim *sim, uint64_t index);
void cloud_arrive(struct sim *sim, uint64_t index, int64_t at);
void cloud_outcome(struct sim *sim, uint64_t index);
void cloud_finish(struct cloud *cloud);

/* ledger.c: the ledger's twin. */
struct ledger ledger_port(struct sim *sim);
void ledger_recorded(struct sim *sim, uint64_t index, int outcome);
void ledger_finish(struct ledger_twin *ledger);

/* owner.c: runs one seed to its end. */
void sim_run(struct sim *sim, uint64_t seed, bool big);
void sim_finish(struct sim *sim);

/* The plant that the wrapped functions look at. */
extern enum plant planted;
