/*
 * Faults planted into the program by link-time wraps, or into the fakes, to see that the oracle
 * finds each: it must name one of the rules that the fault breaks, within few seeds.
 */
#include "base/bucket.h"
#include "base/heap.h"
#include "engine/engine_internal.h"
#include "sim/sim.h"

#include <inttypes.h>
#include <stdio.h>

#define SEEDS_MAX 1000

enum plant planted = PLANT_NONE;

struct bed {
    enum plant plant;
    const char *name;
    enum rule_name rules[3]; /* any of them */
};

static const struct bed beds[] = {
    {PLANT_RATE, "one more a second", {RULE_RATE}},
    {PLANT_DOUBLE_FIRE, "lost is called not sent", {RULE_ONCE, RULE_ACCOUNT}},
    {PLANT_REPEAT_SLOT, "forgets when set back", {RULE_IDENTITY}},
    {PLANT_LOST_RUN, "an outcome is never filed", {RULE_LIVE, RULE_ACCOUNT}},
    {PLANT_UNRECORDED, "durable too early", {RULE_ORDER}},
    {PLANT_RETRY_UNKNOWN, "ambiguous is sent again", {RULE_ONCE}},
    {PLANT_TOKEN_LEAK, "tokens leak", {RULE_LIVE}},
    {PLANT_OVERSLEEP, "sleeps past a token", {RULE_LIVE, RULE_DRAIN}},
    {PLANT_SPIN, "always awake", {RULE_LIVE}},
    {PLANT_LATE_SEND, "start_within is not watched", {RULE_ORDER, RULE_LIVE}},
    {PLANT_SILENT_END, "ends without a line", {RULE_ACCOUNT}},
    {PLANT_EARLY, "sends before the instant", {RULE_ORDER, RULE_POLICY}},
    {PLANT_FORGET_AGAIN, "a start forgets who is due", {RULE_LIVE, RULE_ACCOUNT}},
    {PLANT_RESEND, "a start sends again", {RULE_ONCE, RULE_ACCOUNT}},
    {PLANT_OPEN_TWICE, "a start opens a slot again", {RULE_IDENTITY, RULE_POLICY, RULE_ACCOUNT}},
    {PLANT_DRAIN_ENDS, "a drain ends what waits", {RULE_POLICY, RULE_ACCOUNT}},
    {PLANT_BELIEVE, "believes a wrong clock", {RULE_POLICY, RULE_ORDER}},
    {PLANT_NOT_SETTLED, "the settling time is ignored", {RULE_ONCE}},
    {PLANT_NO_TAG, "does not see its tag", {RULE_ONCE}},
    {PLANT_ANY_TAG, "takes any backup for its own", {RULE_ACCOUNT}},
    {PLANT_FORGET_WATCH, "a start follows nothing", {RULE_LIVE}},
    {PLANT_OVERLAP, "overlaps though forbidden", {RULE_POLICY}},
    {PLANT_STAYS_DOWN, "the breaker never closes", {RULE_LIVE}},
    {PLANT_NEVER_DOWN, "the breaker never opens", {RULE_DEAD}},
    {PLANT_FAILS_UNCOUNTED, "retries failed tasks for ever", {RULE_POLICY}},
    {PLANT_FORGET_FAILS, "a start forgets failed tasks", {RULE_POLICY, RULE_ACCOUNT}},
    {PLANT_REFUSED_KEYS, "goes on with refused keys", {RULE_DEAD}},
    {PLANT_UNKEPT_SLOT, "opens an unrecorded slot", {RULE_ACCOUNT}},
    {PLANT_UNKEPT_ORDER, "takes an unrecorded order", {RULE_ACCOUNT}},
    {PLANT_FORGET_ORPHAN, "an orphan is due in no slot", {RULE_ACCOUNT}},
    {PLANT_FORGET_RULE, "what came by another rule is lost", {RULE_ACCOUNT}},
    {PLANT_UNSTARTED, "an order leaves unrecorded", {RULE_ORDER}},
    {PLANT_DROP_ORDERED, "a start drops who was ordered", {RULE_LIVE, RULE_ACCOUNT}},
    {PLANT_SAME_TAG, "an order has another's tag", {RULE_IDENTITY}},
    {PLANT_FORGET_PAUSE, "a start forgets a pause", {RULE_POLICY}},
    {PLANT_ENDLESS_PAUSE, "a pause never ends", {RULE_POLICY}},
    {PLANT_RESUME_LOSES, "resumed, the next slot is lost", {RULE_POLICY}},
    {PLANT_UNKEPT_PASSED, "passes slots unrecorded", {RULE_ACCOUNT}},
};

/* ---- the wraps ---- */

int __real_bucket_init(struct bucket *bucket, int32_t per_second, int32_t burst);
int __wrap_bucket_init(struct bucket *bucket, int32_t per_second, int32_t burst);
int __wrap_bucket_init(struct bucket *bucket, int32_t per_second, int32_t burst)
{
    return __real_bucket_init(bucket, per_second + (planted == PLANT_RATE), burst);
}

int __real_bucket_configure(struct bucket *bucket, int32_t per_second, int32_t burst);
int __wrap_bucket_configure(struct bucket *bucket, int32_t per_second, int32_t burst);
int __wrap_bucket_configure(struct bucket *bucket, int32_t per_second, int32_t burst)
{
    return __real_bucket_configure(bucket, per_second + (planted == PLANT_RATE), burst);
}

void __real_bucket_return(struct bucket *bucket);
void __wrap_bucket_return(struct bucket *bucket);
void __wrap_bucket_return(struct bucket *bucket)
{
    if (planted != PLANT_TOKEN_LEAK)
        __real_bucket_return(bucket);
}

struct mono __real_bucket_ready_at(const struct bucket *bucket, struct mono now);
struct mono __wrap_bucket_ready_at(const struct bucket *bucket, struct mono now);
struct mono __wrap_bucket_ready_at(const struct bucket *bucket, struct mono now)
{
    struct mono at = __real_bucket_ready_at(bucket, now);
    return planted == PLANT_OVERSLEEP ? mono_add_ns(at, 15 * MS) : at;
}

struct wake __real_engine_next_wake(const struct engine *engine, struct now now);
struct wake __wrap_engine_next_wake(const struct engine *engine, struct now now);
struct wake __wrap_engine_next_wake(const struct engine *engine, struct now now)
{
    return planted == PLANT_SPIN ? (struct wake){now.wall, now.mono}
                                 : __real_engine_next_wake(engine, now);
}

enum attempt_decision __real_attempt_decide(const struct verdict *verdict, int attempt,
                                            int64_t left_us, uint64_t bits, int64_t *ret_delay_us);
enum attempt_decision __wrap_attempt_decide(const struct verdict *verdict, int attempt,
                                            int64_t left_us, uint64_t bits, int64_t *ret_delay_us);
enum attempt_decision __wrap_attempt_decide(const struct verdict *verdict, int attempt,
                                            int64_t left_us, uint64_t bits, int64_t *ret_delay_us)
{
    if (planted == PLANT_RETRY_UNKNOWN && verdict->class == VERDICT_AMBIGUOUS && left_us > 2000) {
        *ret_delay_us = 1000;
        return ATTEMPT_RETRY;
    }
    return __real_attempt_decide(verdict, attempt, left_us, bits, ret_delay_us);
}

enum lookup_result __real_lookup_judge(struct doubt *doubt, int64_t settle_us, struct mono now,
                                       int64_t *ret_task_id);
enum lookup_result __wrap_lookup_judge(struct doubt *doubt, int64_t settle_us, struct mono now,
                                       int64_t *ret_task_id);
enum lookup_result __wrap_lookup_judge(struct doubt *doubt, int64_t settle_us, struct mono now,
                                       int64_t *ret_task_id)
{
    return __real_lookup_judge(doubt, planted == PLANT_NOT_SETTLED ? 0 : settle_us, now,
                               ret_task_id);
}

void __real_listing_judge_backups(const struct exchange *exchange, const char *tag,
                                  struct backup_page *ret, struct verdict *ret_verdict);
void __wrap_listing_judge_backups(const struct exchange *exchange, const char *tag,
                                  struct backup_page *ret, struct verdict *ret_verdict);
void __wrap_listing_judge_backups(const struct exchange *exchange, const char *tag,
                                  struct backup_page *ret, struct verdict *ret_verdict)
{
    __real_listing_judge_backups(exchange, tag, ret, ret_verdict);
    bool blind = planted == PLANT_NO_TAG || planted == PLANT_ANY_TAG;
    for (uint32_t i = 0; blind && ret_verdict->class == VERDICT_ACCEPTED && i < ret->count; i++)
        ret->list[i].tagged = planted == PLANT_ANY_TAG;
}

enum breaker_change __real_breaker_judge(struct breaker *breaker, struct mono now, bool alive,
                                         uint32_t probe, uint64_t bits);
enum breaker_change __wrap_breaker_judge(struct breaker *breaker, struct mono now, bool alive,
                                         uint32_t probe, uint64_t bits);
enum breaker_change __wrap_breaker_judge(struct breaker *breaker, struct mono now, bool alive,
                                         uint32_t probe, uint64_t bits)
{
    if (planted == PLANT_STAYS_DOWN && breaker->opened > 0)
        alive = false;
    return __real_breaker_judge(breaker, now, alive || planted == PLANT_NEVER_DOWN, probe, bits);
}

enum start __real_engine_may_start(struct engine *engine, const struct run *run);
enum start __wrap_engine_may_start(struct engine *engine, const struct run *run);
enum start __wrap_engine_may_start(struct engine *engine, const struct run *run)
{
    return planted == PLANT_OVERLAP ? START_NOW : __real_engine_may_start(engine, run);
}

void __real_engine_judge_keys(struct engine *engine, uint64_t generation,
                              const struct verdict *verdict, const struct run *run);
void __wrap_engine_judge_keys(struct engine *engine, uint64_t generation,
                              const struct verdict *verdict, const struct run *run);
void __wrap_engine_judge_keys(struct engine *engine, uint64_t generation,
                              const struct verdict *verdict, const struct run *run)
{
    if (planted != PLANT_REFUSED_KEYS)
        __real_engine_judge_keys(engine, generation, verdict, run);
}

int __real_engine_watch(struct engine *engine, struct lane *lane, const struct submission *what,
                        int64_t delay_us);
int __wrap_engine_watch(struct engine *engine, struct lane *lane, const struct submission *what,
                        int64_t delay_us);
int __wrap_engine_watch(struct engine *engine, struct lane *lane, const struct submission *what,
                        int64_t delay_us)
{
    struct submission submission = *what;
    if (planted == PLANT_FAILS_UNCOUNTED)
        submission.failures = 0;
    return __real_engine_watch(engine, lane, &submission, delay_us);
}

void __real_engine_expire(struct engine *engine);
void __wrap_engine_expire(struct engine *engine);
void __wrap_engine_expire(struct engine *engine)
{
    if (planted != PLANT_LATE_SEND)
        __real_engine_expire(engine);
}

static int no_horizon(void *context, const char *schedule, const char *rule, struct wall *ret)
{
    (void)rule;
    (void)context;
    (void)schedule;
    (void)ret;
    return 1;
}

/* Whether a slot later than `now` has been opened. */
static bool went_back(const struct config *config, const struct ledger *ledger, struct wall now)
{
    struct wall horizon;
    for (uint32_t i = 0; i < config->schedule_count; i++)
        if (ledger->horizon(ledger->context, config->schedules[i].name, "", &horizon)
                == LEDGER_OTHER_RULE
            && wall_diff_us(horizon, now) > 2 * US_PER_SECOND)
            return true;
    return false;
}

int __real_plan_create(const struct config *config, const struct plan *old,
                       const struct ledger *ledger, struct wall now, struct plan **ret);
int __wrap_plan_create(const struct config *config, const struct plan *old,
                       const struct ledger *ledger, struct wall now, struct plan **ret);
int __wrap_plan_create(const struct config *config, const struct plan *old,
                       const struct ledger *ledger, struct wall now, struct plan **ret)
{
    struct ledger empty = *ledger;
    empty.horizon = no_horizon;
    if (planted == PLANT_REPEAT_SLOT && went_back(config, ledger, now))
        return __real_plan_create(config, NULL, &empty, now, ret);
    return __real_plan_create(config, old, ledger, now, ret);
}

int __real_heap_push(struct heap *heap, struct heap_node *node, int64_t key);
int __wrap_heap_push(struct heap *heap, struct heap_node *node, int64_t key);
int __wrap_heap_push(struct heap *heap, struct heap_node *node, int64_t key)
{
    /* Keys of the wall clock are far larger than those of the monotonic one. */
    bool is_wall = key > INT64_C(1500000000000000) && key < INT64_C(3000000000000000);
    return __real_heap_push(heap, node, planted == PLANT_EARLY && is_wall ? key - 400000 : key);
}

void __real_plan_raise(struct plan *plan, const struct schedule *schedule, struct wall slot,
                       struct wall now, const struct ledger *ledger);
void __wrap_plan_raise(struct plan *plan, const struct schedule *schedule, struct wall slot,
                       struct wall now, const struct ledger *ledger);
void __wrap_plan_raise(struct plan *plan, const struct schedule *schedule, struct wall slot,
                       struct wall now, const struct ledger *ledger)
{
    if (planted != PLANT_OPEN_TWICE)
        __real_plan_raise(plan, schedule, slot, now, ledger);
}

void __real_engine_put_back(struct engine *engine, struct run *run);
void __wrap_engine_put_back(struct engine *engine, struct run *run);
void __wrap_engine_put_back(struct engine *engine, struct run *run)
{
    if (planted == PLANT_DRAIN_ENDS)
        engine_give_up(engine, run, "stopping");
    else
        __real_engine_put_back(engine, run);
}

int __real_open_slot_tell(const struct open_slot *open, const struct ledger *ledger,
                          enum ledger_entry_kind kind, struct wall now);
int __wrap_open_slot_tell(const struct open_slot *open, const struct ledger *ledger,
                          enum ledger_entry_kind kind, struct wall now);
int __wrap_open_slot_tell(const struct open_slot *open, const struct ledger *ledger,
                          enum ledger_entry_kind kind, struct wall now)
{
    if (planted == PLANT_UNKEPT_ORDER && open->kind == LEDGER_KIND_OPERATOR
        && kind == LEDGER_STARTED)
        return 0;
    int r = __real_open_slot_tell(open, ledger, kind, now);
    return planted == PLANT_UNKEPT_SLOT ? 0 : r;
}

int __real_open_slot_keep(struct open_slot *open, const struct ledger *ledger, struct wall now);
int __wrap_open_slot_keep(struct open_slot *open, const struct ledger *ledger, struct wall now);
int __wrap_open_slot_keep(struct open_slot *open, const struct ledger *ledger, struct wall now)
{
    return planted == PLANT_FORGET_ORPHAN ? 0 : __real_open_slot_keep(open, ledger, now);
}

enum sanity_change __real_sanity_judge(struct sanity *sanity, struct now now, struct wall newest,
                                       bool jumped);
enum sanity_change __wrap_sanity_judge(struct sanity *sanity, struct now now, struct wall newest,
                                       bool jumped);
enum sanity_change __wrap_sanity_judge(struct sanity *sanity, struct now now, struct wall newest,
                                       bool jumped)
{
    if (planted == PLANT_BELIEVE)
        newest = (struct wall){INT64_MIN};
    return __real_sanity_judge(sanity, now, newest, jumped);
}

int __real_tag_make(struct digest *digest, const char *schedule, const char *instance,
                    struct wall slot, char ret[TAG_MAX]);
int __wrap_tag_make(struct digest *digest, const char *schedule, const char *instance,
                    struct wall slot, char ret[TAG_MAX]);
int __wrap_tag_make(struct digest *digest, const char *schedule, const char *instance,
                    struct wall slot, char ret[TAG_MAX])
{
    if (planted == PLANT_SAME_TAG)
        slot = wall_from_seconds(wall_seconds(slot));
    return __real_tag_make(digest, schedule, instance, slot, ret);
}

void __real_plan_leave(struct plan *plan, const struct plan *next, struct wall now,
                       const struct ledger *ledger, plan_left_fn each, void *context);
void __wrap_plan_leave(struct plan *plan, const struct plan *next, struct wall now,
                       const struct ledger *ledger, plan_left_fn each, void *context);
void __wrap_plan_leave(struct plan *plan, const struct plan *next, struct wall now,
                       const struct ledger *ledger, plan_left_fn each, void *context)
{
    if (planted != PLANT_FORGET_RULE)
        __real_plan_leave(plan, next, now, ledger, each, context);
}

void __real_plan_pause(struct plan *plan, uint32_t schedule, struct wall until);
void __wrap_plan_pause(struct plan *plan, uint32_t schedule, struct wall until);
void __wrap_plan_pause(struct plan *plan, uint32_t schedule, struct wall until)
{
    bool resumes = until.us == LEDGER_NO_PAUSE.us;
    if (planted == PLANT_ENDLESS_PAUSE && !resumes)
        until = WALL_NEVER;
    if (planted == PLANT_RESUME_LOSES && resumes)
        until = wall_add_us(plan_next_slot_of(plan, schedule), 1);
    __real_plan_pause(plan, schedule, until);
}

/* ---- the beds ---- */

static bool grows(const struct bed *bed)
{
    static struct sim sim;
    planted = bed->plant;
    for (uint64_t seed = 1; seed <= SEEDS_MAX; seed++) {
        sim = (struct sim){.over = false};
        sim_run(&sim, seed, false);
        enum rule_name broken = sim.oracle.broken;
        bool named = false;
        for (int i = 0; i < 3; i++)
            named = named || (broken != RULE_NONE && bed->rules[i] == broken);
        if (broken != RULE_NONE)
            (void)printf("%-30s seed %" PRIu64 ": rule %s: %s\n", bed->name, seed,
                         rule_text(broken), sim.oracle.what);
        sim_finish(&sim);
        if (broken != RULE_NONE)
            return named;
    }
    (void)printf("%-30s not found in %d seeds\n", bed->name, SEEDS_MAX);
    return false;
}

int main(void)
{
    int missed = 0;
    for (size_t i = 0; i < sizeof beds / sizeof beds[0]; i++)
        missed += !grows(&beds[i]);
    (void)printf("%d missed or called by another name\n", missed);
    return missed == 0 ? 0 : 1;
}
