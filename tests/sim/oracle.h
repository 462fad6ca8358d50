/*
 * The oracle: what must hold whatever happens, judged from what the engine does at its ports and
 * from the truth that only the simulation knows. It shares no code with the engine.
 *
 *   RULE_ONCE      a slot of an instance is never backed up twice: not sent again unless all its
 *                  requests before did nothing or their task failed, as far as the truth goes;
 *                  where that was in doubt, not before the cloud was looked through twice, once
 *                  after the settling time. The file may allow more (on_unknown: resend)
 *   RULE_RATE      in no one-second window do more than per_second requests of one action arrive
 *                  at a host
 *   RULE_DRAIN     a backlog without faults drains at 98 % of per_second or better
 *   RULE_ACCOUNT   what came due or was ordered ends exactly once, and what was submitted is
 *                  finished exactly once, told once to the journal and to the ledger, with the
 *                  same result and in agreement with the truth; the task that is named is the one
 *                  of that slot; what an operator was told is kept outlives the process
 *   RULE_ORDER     nothing is sent before its STARTED entry is durable, before its instant, at or
 *                  past the end of start_within, while draining, or for who is not in the file
 *   RULE_FLIGHT    never more than max_in_flight at once
 *   RULE_LIVE      what is due ends in bounded time; no spinning; no sleeping past work
 *   RULE_IDENTITY  slots are those of the rule, in order, and never repeat; a tag is of one run
 *   RULE_POLICY    run, caught up, missed or skipped as the file and the operator say; no overlap
 *                  where it is forbidden; no more attempts after failed tasks than it allows; an
 *                  order or a pause is refused for a reason alone
 *   RULE_DEAD      a host that is dead is not hammered, nor is anyone by keys that are refused
 *   RULE_LOG       no secret and no control character in a line
 */
#pragma once

#include "base/digest.h"
#include "engine/ports.h"
#include "sim/clock.h"
#include "sim/trace.h"
#include "sim/world.h"

#include <stdbool.h>
#include <stdint.h>

struct cloud;

enum rule_name {
    RULE_NONE,
    RULE_ONCE,
    RULE_RATE,
    RULE_DRAIN,
    RULE_ACCOUNT,
    RULE_ORDER,
    RULE_FLIGHT,
    RULE_LIVE,
    RULE_IDENTITY,
    RULE_POLICY,
    RULE_DEAD,
    RULE_LOG,
    RULES,
};

#define ORACLE_SECRET "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
#define ORACLE_TOKEN "session-token-EXAMPLE"

/* What the log of a durable ledger has of one instance in one slot, when the process is gone. */
enum kept_state {
    KEPT_NOTHING,
    KEPT_STARTED,
    KEPT_AGAIN,
    KEPT_ENDED,
};

/* The newest slot of a schedule, as the ledger has it. */
struct kept_horizon {
    bool known;
    struct wall slot;
    int rule_text;           /* of the ledger's twin */
    const struct rule *rule; /* NULL: of no rule that is known */
};

/* A slot that the log has. */
struct kept_slot {
    int schedule;
    struct wall slot;
    enum ledger_kind kind;
    bool named;       /* its members are those that the log has */
    bool announced;   /* they are not all told: it is to be ended */
    bool begun;       /* else it was passed over, and may come again */
    bool open;        /* begun and not ended */
    bool awaits_line; /* the next start owes one line for the whole of it */
};

/* A pause that the engine has taken. */
struct taken_pause {
    struct wall until;
    size_t log_end; /* the log's length then */
};

#define PAUSES_TAKEN_MAX 64 /* of a schedule */

#define NOT_TOLD (-1)

/* What is known of one slot of one instance. */
struct record {
    int schedule;
    int instance;
    int host;
    struct wall slot;
    struct wall due;
    struct wall deadline;
    int64_t complete_within_us; /* the file's, when it was opened or begun anew; the least */
    int64_t complete_most_us;
    int retry_failed;
    bool forbids_overlap;
    bool resends;
    bool resent;       /* though it may have acted: by a file that lets that be */
    int64_t opened_at; /* true time */
    int64_t begun_at;  /* its first attempt was recorded */
    int64_t ended_at;
    bool in_flight;
    bool may_have_acted; /* by what the engine can know: not to be sent again */
    bool accepted;
    bool was_sent;
    bool waits;   /* for another attempt */
    bool resumed; /* what was sent was by an earlier life */
    int64_t task_id;
    uint64_t durable; /* ticket whose STARTED entry is durable; 0: none */
    int told_ledger;  /* enum ledger_result, or NOT_TOLD */
    int told_journal;

    /* What may have acted is looked for. */
    int64_t doubted_at; /* true time, from which on */
    bool told_doubt;    /* the journal was told */
    bool overlaps;      /* the journal was told that it is skipped for that */

    /* What was submitted is followed to its end. */
    int64_t told_task; /* by the journal */
    int64_t followed;  /* the task that the ledger was told; 0: none is known */
    int64_t submitted_at;
    struct wall submitted_wall;
    int finish_ledger; /* enum ledger_finish, or NOT_TOLD */
    int finish_journal;
    enum ledger_kind kind;
    int retries;     /* after tasks that failed */
    int64_t retried; /* the last of them */

    /* Over several lives of a process with a durable ledger. */
    int acts;          /* of the cloud: backups that it began */
    int64_t last_task; /* the last of them; 0: none */
    enum kept_state kept;
    int kept_attempt;
    int kept_host; /* -1: none */
    int kept_retries;
    enum ledger_kind kept_kind;
    int kept_result;
    bool kept_finished;
    int64_t kept_task;
    struct wall kept_started_at;
    struct wall kept_ended_at;
    bool unborn;          /* its slot was opened, but the ledger lost that */
    bool refused;         /* the ledger did not take an entry of it */
    bool must_be_doubted; /* the next start says that it is in doubt */
    bool forsaken;        /* and it was not in the file: it is looked for and not sent */
    bool must_be_skipped;
    bool must_be_dropped; /* the next start no longer follows it */
    bool announced;       /* of an order: the ledger was told that it is to be run */
    bool cancelled;       /* its order was not told as a whole: a start ends it */
    size_t ordered_at;    /* the log's length when the order was taken; 0: it is of no order */
};

/* Places of records. */
struct places {
    size_t *list;
    size_t count;
};

/* A rule that a reload gave up while the clock was not believed. */
struct left_rule {
    bool any;
    int generation;
    struct rule rule;
    struct wall recorded_first; /* as below */
    struct wall recorded_last;
    struct wall told; /* the last slot that was opened or has a line */
    bool told_any;    /* since then */
    struct mono at;
    struct wall until; /* what has come by then is owed; known when the clock is believed */
};

struct watched_schedule {
    struct left_rule left;
    bool active;
    bool closed; /* the slot that comes next in set_horizon() has a line of its own */
    struct rule rule;
    const struct rule *kept_rule; /* the ledger's; NULL: none that is known */
    bool in_ledger;
    struct wall kept_horizon;   /* valid where in_ledger */
    bool unsettled;             /* new, or by another rule, while the clock is not believed */
    bool just_settled;          /* the ledger is about to be told */
    struct wall recorded_first; /* slots that the ledger has after a horizon that went back; */
    struct wall recorded_last;  /* before the horizon: none */
    struct wall horizon;
    struct wall next;      /* the slot after the horizon */
    struct wall told_last; /* of the lines for whole slots since the horizon */
    bool told_any;
    bool awaits_line; /* the ledger was told of a slot that is not opened: */
    struct wall passed;
    bool passed_skipped;      /* or missed */
    bool passed_refused;      /* the ledger did not take it: it may come again before its line */
    struct wall paused_until; /* by an operator; LEDGER_NO_PAUSE: it is not */
    struct taken_pause pauses[PAUSES_TAKEN_MAX]; /* of a durable ledger, oldest first */
    int pause_count;
};

#define ARRIVALS_KEPT 1024
#define LOOKS_KEPT 16

struct arrival {
    int64_t at;
    int rate; /* a second, when it was sent */
};

/* One action at one host: what the cloud counts. */
struct watched_lane {
    struct arrival arrivals[ARRIVALS_KEPT];
    size_t arrival_count;
};

struct watched_host {
    struct watched_lane lanes[CLOUD_ACTIONS];
    int64_t sent[ARRIVALS_KEPT]; /* backups */
    size_t sent_count;
    int in_flight;       /* backups */
    int64_t freed_at;    /* one of them came back */
    int dead;            /* requests in a row that came back without a sign of life */
    uint64_t era;        /* they are counted anew after every sign of life */
    int probes;          /* sent since there were too many, and not back */
    int64_t probe_count; /* sent since then */
    int64_t tripped_at;
    int64_t died_at;     /* the last of them came back */
    int64_t alive_at;    /* the last sign of life after them */
    int64_t burst_first; /* of the slot that is being drained */
    int64_t burst_last;
    int64_t burst_count; /* negative: not measured */
};

struct oracle {
    const struct world *world;
    const struct clock *clock;
    struct trace *trace;
    struct digest *digest;
    int generation;
    int next_generation;
    bool pending_switch; /* the engine reloads and still works by the old file */
    struct watched_schedule schedules[WORLD_SCHEDULES_MAX];
    struct watched_host hosts[WORLD_HOSTS_MAX];
    struct record *records;
    size_t record_count;
    size_t record_capacity;
    size_t *index; /* hash table of 1 + place in `records` */
    size_t index_size;
    struct places open;    /* that have not ended */
    struct places watched; /* that were submitted and are not finished */
    int64_t free_at[WORLD_SCHEDULES_MAX][WORLD_INSTANCES_MAX]; /* a run or backup of it ended */
    int64_t looks[WORLD_INSTANCES_MAX][LOOKS_KEPT]; /* when lists of backups were asked for */
    size_t look_count[WORLD_INSTANCES_MAX];
    const struct cloud *cloud; /* its books */
    int in_flight;
    int64_t freed_at;       /* a place in flight came free */
    bool keys_refused;      /* what was sent by them last, was refused for them */
    int64_t probed_at;      /* that came back, or another was sent */
    int64_t unjudged_until; /* after a reload the old pace still shows in how late things are */
    bool draining;
    bool reloading;
    bool held;         /* the host's clock is plainly wrong */
    bool told_held;    /* the journal was told so */
    bool settling;     /* in this turn schedules may begin */
    int64_t held_at;   /* true time; of the last look that was not steady */
    struct now judged; /* the clocks at the last look */
    bool has_judged;
    int64_t entry_refused_at; /* the ledger refused anything */
    int64_t refused_at;       /* the ledger refused to open a slot: none is opened for a while */
    bool resuming;            /* a start has not had its first turn */
    bool ordering;            /* the engine looks at an order: */
    int order_schedule;
    struct wall order_slot;
    size_t order_first; /* the first of its places in `open` */
    bool order_is_named;
    struct kept_slot *slots; /* borrowed from the ledger's twin */
    size_t slot_count;
    int64_t drained_at;
    int64_t quiet_at; /* INT64_MAX before */
    struct wall quiet_wall;
    uint64_t progress; /* anything that happened at a port */
    uint64_t seen;
    int idle_turns;
    int64_t last_turn;
    uint64_t turns;

    enum rule_name broken; /* the first rule that was broken */
    char what[512];
    uint64_t sent; /* figures */
    uint64_t asked;
    uint64_t accepted;
    uint64_t orders;    /* that were taken, */
    uint64_t ordered;   /* runs of them */
    uint64_t pauses;    /* begun or ended */
    double worst_drain; /* permille of per_second, least seen; 0: not measured */
    int64_t worst_late; /* ns */
};

void oracle_init(struct oracle *oracle, const struct world *world, const struct clock *clock,
                 struct trace *trace, const struct cloud *cloud);
void oracle_finish(struct oracle *oracle);

const char *rule_text(enum rule_name rule);

void oracle_break(struct oracle *oracle, enum rule_name rule, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* ---- what the engine's owner does ---- */

void oracle_configured(struct oracle *oracle, int generation, bool starts);
/*
 * Around a reload: the engine takes up what has come by the old file before it takes the new one,
 * and what it does tells when it goes over.
 */
void oracle_reloading(struct oracle *oracle, int generation);
void oracle_reloaded(struct oracle *oracle);
void oracle_drained(struct oracle *oracle);
void oracle_stopped(struct oracle *oracle); /* nothing in flight, the engine is gone */
void oracle_before_turn(struct oracle *oracle);
void oracle_after_turn(struct oracle *oracle);
void oracle_quiet(struct oracle *oracle);
/* The engine is about to look at the clocks. */
void oracle_judge_clock(struct oracle *oracle);

/*
 * Around an order, in the turn of its slot: who is meant (`count` 0: all), and whether the engine
 * has taken it.
 */
void oracle_ordering(struct oracle *oracle, int schedule, struct wall slot, const int *instances,
                     int count);
void oracle_ordered(struct oracle *oracle, bool taken, size_t log_end);
/* The engine was told of a pause, or of its end; what has come is taken up as it was before. */
void oracle_paused(struct oracle *oracle, int schedule, struct wall until, bool taken,
                   size_t log_end);

/* ---- what the engine does ---- */

/* Returns the rule that the horizon is kept by. */
const struct rule *oracle_horizon(struct oracle *oracle, const char *schedule, const char *rule,
                                  struct wall slot);
/* NULL where there is none; nothing is told. */
struct record *oracle_known(struct oracle *oracle, int schedule, int instance, struct wall slot);
/* NULL for a slot that is not open (which is told). */
struct record *oracle_find(struct oracle *oracle, const char *schedule, const char *instance,
                           struct wall slot);
/* The ledger is told something of the record; whether it takes it is not known yet. */
void oracle_entry(struct oracle *oracle, struct record *record, const struct ledger_entry *entry);
void oracle_event(struct oracle *oracle, const struct event *event);
void oracle_sent(struct oracle *oracle, struct record *record, uint64_t ticket, int host);
void oracle_asked(struct oracle *oracle); /* a request that only asks; no entry announces it */

/* The ledger is asked for the first and the last slot of the plan after `after` that it has. */
void oracle_recorded(struct oracle *oracle, int schedule, struct wall after);
/* An entry for a slot that was never opened; its line comes next. */
void oracle_slot_passed(struct oracle *oracle, const char *schedule, struct wall slot,
                        bool skipped);
/* The ledger did not take the entry of a slot that is to be opened. */
void oracle_slot_refused(struct oracle *oracle);
void oracle_entry_refused(struct oracle *oracle);
/* Nor one of a slot itself: what of it is due again may not be told so. */
void oracle_whole_refused(struct oracle *oracle, int schedule, struct wall slot);

/* ---- a process with a durable ledger comes and goes ---- */

/* What is left of the log; borrowed till the next life is gone. */
struct kept_log {
    const struct kept_horizon *horizons; /* of each schedule */
    const struct wall *pauses;
    struct kept_slot *slots;
    size_t slot_count;
    size_t length;
    size_t synced; /* so much of it was known to be durable */
};

/* It is gone; every record's `kept` is set. */
void oracle_gone(struct oracle *oracle, const struct kept_log *log, bool crashed);
/* A new one is about to take up what is left, by the file that oracle_configured() named. */
void oracle_resuming(struct oracle *oracle);

/* Nothing of the record is in the log. */
void oracle_forget_kept(struct record *record);

/* Something is signed by the keys of a generation; what the cloud made of what was signed. */
void oracle_signed(struct oracle *oracle, uint64_t generation);
void oracle_keys_refused(struct oracle *oracle);
void oracle_keys_serve(struct oracle *oracle);

/* ---- what only the simulation knows ---- */

/* The cloud began a backup for the record. */
void oracle_acted(struct oracle *oracle, size_t record, int64_t task);

/* A request is handed to the transport; returns the era that goes with its end. */
uint64_t oracle_sends_to(struct oracle *oracle, int host, bool *ret_is_probe);
/* It is back. `alive`: the host answered, and not with a gateway's 5xx. */
void oracle_back_from(struct oracle *oracle, int host, uint64_t era, bool is_probe, bool alive);

void oracle_arrived(struct oracle *oracle, int host, enum cloud_action action, int64_t at,
                    int rate);
/* The outcome is being filed; `definite`: it proves, truly, that nothing happened. */
void oracle_outcome(struct oracle *oracle, size_t record, bool definite, bool acted,
                    int64_t task_id);
void oracle_answered(struct oracle *oracle); /* the same of one that only asks */
/* A list of the instance's backups, asked for at `asked_at`, came back whole. */
void oracle_looked(struct oracle *oracle, int instance, int64_t asked_at);
