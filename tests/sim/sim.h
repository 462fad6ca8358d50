/*
 * One simulated host and its cloud: a world, clocks, the fakes behind the engine's ports, the
 * engine itself, and the oracle that watches.
 */
#pragma once

#include "engine/engine.h"
#include "sim/clock.h"
#include "sim/cloud.h"
#include "sim/dice.h"
#include "sim/oracle.h"
#include "sim/trace.h"
#include "sim/world.h"

/* Faults of the program itself, planted to see the oracle find them. */
enum plant {
    PLANT_NONE,
    PLANT_RATE,            /* the limiter lets one more a second through */
    PLANT_DOUBLE_FIRE,     /* the transport calls a lost request not sent */
    PLANT_REPEAT_SLOT,     /* the horizon is forgotten when the clock goes back */
    PLANT_LOST_RUN,        /* an outcome is never filed */
    PLANT_UNRECORDED,      /* the ledger says durable too early */
    PLANT_RETRY_UNKNOWN,   /* an ambiguous outcome is retried */
    PLANT_TOKEN_LEAK,      /* tokens of what was not sent are not given back */
    PLANT_OVERSLEEP,       /* the wake for the next token is late */
    PLANT_SPIN,            /* the wake is always at once */
    PLANT_LATE_SEND,       /* start_within is not watched */
    PLANT_SILENT_END,      /* ends are not told to the journal */
    PLANT_EARLY,           /* instants are taken for earlier ones */
    PLANT_FORGET_AGAIN,    /* a start takes what is to be run again for ended */
    PLANT_RESEND,          /* a start takes attempts without end for refused ones */
    PLANT_OPEN_TWICE,      /* a start does not raise the horizon */
    PLANT_DRAIN_ENDS,      /* a drain ends what it should leave in the ledger */
    PLANT_BELIEVE,         /* a clock that is behind is believed */
    PLANT_NOT_SETTLED,     /* the settling time is ignored */
    PLANT_NO_TAG,          /* its own tag is not seen */
    PLANT_ANY_TAG,         /* any backup is taken for its own */
    PLANT_FORGET_WATCH,    /* a start does not follow what was submitted */
    PLANT_OVERLAP,         /* the backup before is not looked at */
    PLANT_STAYS_DOWN,      /* the breaker never closes */
    PLANT_NEVER_DOWN,      /* and never opens */
    PLANT_FAILS_UNCOUNTED, /* tasks that failed are not counted */
    PLANT_FORGET_FAILS,    /* a start does not know how many tasks failed */
    PLANT_REFUSED_KEYS,    /* nobody minds that the keys are refused */
    PLANT_UNKEPT_SLOT,     /* a slot that the ledger refused is opened all the same */
    PLANT_UNKEPT_ORDER,    /* an order is not told to the ledger */
    PLANT_FORGET_ORPHAN,   /* a slot that has ended stays so when who was in doubt is due again */
    PLANT_FORGET_RULE,     /* a reload forgets what has come by the rule that it gives up */
    PLANT_UNSTARTED,       /* an order's requests leave before their entries are durable */
    PLANT_DROP_ORDERED,    /* a start forgets who of an order has yet to begin */
    PLANT_SAME_TAG,        /* orders have the tags of their second */
    PLANT_FORGET_PAUSE,    /* a start forgets what is paused */
    PLANT_ENDLESS_PAUSE,   /* a pause has no end */
    PLANT_RESUME_LOSES,    /* the slot after the end of a pause is skipped */
    PLANT_UNKEPT_PASSED,   /* slots that are not opened do not reach the ledger */
};

struct pending_record {
    uint64_t ticket;
    size_t record;
};

enum line_kind {
    LINE_STARTED,
    LINE_ENDED,
    LINE_FINISHED,
    LINE_HORIZON,
    LINE_PAUSE,
    LINE_VOID, /* a STARTED that failed and left nothing */
};

/* One entry of the durable twin's log. */
struct ledger_line {
    enum line_kind kind;
    int schedule;
    size_t record; /* of one instance; SIZE_MAX: the slot itself */
    struct wall slot;
    int attempt;
    int host; /* of the entry's region; -1: none */
    enum ledger_kind run_kind;
    int retries;
    int result;
    int64_t task_id;
    struct wall at;
    uint64_t ticket; /* to be answered; 0: nobody waits */
    struct kept_horizon horizon;
    struct wall until; /* of a pause */
};

#define RULES_KEPT_MAX 64

struct ledger_twin {
    struct dice dice;
    struct kept_horizon horizons[WORLD_SCHEDULES_MAX];
    struct wall pauses[WORLD_SCHEDULES_MAX]; /* of a durable one, as a start finds them */
    char rules[RULES_KEPT_MAX][SCHEDULE_RULE_MAX];
    int rule_count;
    struct ledger_line *log; /* of a durable one, in order */
    size_t log_count;
    size_t log_capacity;
    size_t synced; /* those before outlive a crash */
    size_t target; /* what the commit under way makes durable */
    bool committing;
    uint64_t life;
    struct kept_slot *slots; /* what a start finds */
    size_t slot_count;
    size_t slot_capacity;
    struct pending_record *pending;
    size_t first; /* those before belong to an engine that is gone */
    size_t count;
    size_t capacity;
};

/* Who tells a story: what happens when, and who hears the journal. */
struct teller {
    void *context;
    void (*happens)(void *context, uint64_t index);
    void (*heard)(void *context, const struct event *event); /* NULL: nobody */
    const int64_t *at;                                       /* true time of each */
    size_t count;
};

struct sim {
    struct world world;
    struct teller teller;
    struct clock clock;
    struct trace trace;
    struct oracle oracle;
    struct cloud cloud;
    struct ledger_twin ledger;
    struct keys keys;
    bool keys_available;
    bool keys_refused; /* they are looked for anew before the next turn */
    const struct faults *faults;
    struct dice chance;
    struct dice owner;
    struct engine *engine;
    struct engine_ports ports;
    int generation;
    bool stopping; /* for a restart: drains till idle */
    int64_t away_us;
    int next_generation; /* of the file that the restart finds */
    bool crash_armed;    /* after the next turn that opens a slot */
    bool slot_begun;     /* in the present turn */
    int lapse_armed;     /* 1 + the lapse that comes with the next turn that sends; 0: none */
    bool over;
};

/* ledger.c: the ledger's twin. */
struct ledger ledger_port(struct sim *sim);
void ledger_recorded(struct sim *sim, uint64_t index, int outcome);
/* The process is gone: what a start finds is known from here on. */
void ledger_stopped(struct sim *sim, bool crashed);
int ledger_find_schedule(const char *name);
size_t ledger_keep_pending(struct sim *sim, uint64_t ticket, const struct record *record);

/* ledger_log.c: the durable form. */
int ledger_log_append(struct sim *sim, const struct ledger_entry *entry, struct record *record);
int ledger_log_set_pause(void *context, const char *schedule, struct wall until);
int ledger_log_pauses(void *context, ledger_pause_fn each, void *each_context);
void ledger_log_horizon(struct sim *sim, int schedule, const struct kept_horizon *horizon);
void ledger_committed(struct sim *sim, uint64_t life, int outcome);
int ledger_log_recorded(void *context, const char *schedule, struct wall after,
                        struct wall *ret_first, struct wall *ret_last);
int ledger_log_unended(void *context, ledger_row_fn each, void *each_context);
int ledger_log_scan(void *context, const char *schedule, struct wall slot, ledger_row_fn each,
                    void *each_context);
int ledger_log_unfinished(void *context, ledger_row_fn each, void *each_context);
void ledger_finish(struct ledger_twin *ledger);

/* errands.c: what an operator asks of the daemon. */
void errand_run(struct sim *sim, const struct errand *errand);

/* owner.c: runs one seed to its end. */
void sim_run(struct sim *sim, uint64_t seed, bool big);
/* The same with a world that the caller has made. */
void sim_tell(struct sim *sim, const struct teller *teller);
void sim_finish(struct sim *sim);

/* The plant that the wrapped functions look at. */
extern enum plant planted;
