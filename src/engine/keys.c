/*
 * Keys: what signs, and what the cloud says of it. See engine_internal.h.
 *
 * Happy path: engine_get_keys() gives what the keyring has. Failure paths:
 *
 *   none             said once; the lanes rest for a second, and nothing is lost by it
 *   refused as such  the cloud does not know the id, the signature or the token: whoever is sent by
 *                    these keys is refused too. The keyring is told to look for others; till they
 *                    are there, nothing is sent but a probe now and then, at growing distances,
 *                    since the cloud may have erred. Runs wait in their slots. Keys that a probe
 *                    shows to serve, and other keys, end this
 *   not allowed      any other AuthFailure is about what was asked for: others go on, this one
 *                    waits to see whether other keys come
 *
 * A refused run gets other attempts, by other keys and by the same ones, as long as start_within
 * lets it: it is the keys that are wrong. But where they have served someone else meanwhile it is
 * the run. The more often it was refused the longer it waits, so that the probe is not always the
 * same one. Where the keyring has no way to other keys (the environment is read once), all this is
 * pointless, and the refusal is final.
 */
#include "engine/engine_internal.h"

#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FAMILY "AuthFailure"
#define KEYS_WAIT_US (6 * US_PER_SECOND) /* a file is looked at by then; doubled, up to: */
#define KEYS_WAIT_MOST_US (120 * US_PER_SECOND)
#define PROBE_FIRST_NS (5 * NS_PER_SECOND) /* doubled each time, up to: */
#define PROBE_MOST_NS (60 * NS_PER_SECOND)
#define SERVED_LATELY_NS (60 * NS_PER_SECOND) /* they may have been revoked since */

void engine_keys_fail(struct engine *engine, const char *text)
{
    if (!engine->keys_failed)
        report_keys(&engine->ports.journal, false, text);
    engine->keys_failed = true;
    engine_rest(engine);
}

void engine_keys_serve(struct engine *engine)
{
    if (engine->keys_failed && !engine->refusal.held)
        report_keys(&engine->ports.journal, true, "");
    engine->keys_failed = engine->keys_failed && engine->refusal.held;
}

/* ---- what the cloud says of them ---- */

static bool is_auth_failure(const struct verdict *verdict)
{
    size_t length = sizeof FAMILY - 1;
    return verdict->class == VERDICT_FINAL && strncmp(verdict->code, FAMILY, length) == 0
           && (verdict->code[length] == '\0' || verdict->code[length] == '.');
}

/* The keys are not accepted, whatever is asked for. */
static bool is_of_keys(const char *code)
{
    static const char *const codes[] = {FAMILY ".InvalidSecretId", FAMILY ".SecretIdNotFound",
                                        FAMILY ".SignatureFailure", FAMILY ".TokenFailure"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

/* The keyring has these keys and no others. */
static bool are_present(struct engine *engine, uint64_t generation)
{
    const struct keyring *keyring = &engine->ports.keyring;
    const struct keys *keys;
    return keyring->get(keyring->context, &keys, NULL) == 0 && keys->generation == generation;
}

/* The keyring has others by now. */
static bool are_replaced(struct engine *engine, uint64_t generation)
{
    const struct keyring *keyring = &engine->ports.keyring;
    const struct keys *keys;
    return keyring->get(keyring->context, &keys, NULL) == 0 && keys->generation != generation;
}

static bool tell_refused(struct engine *engine, uint64_t generation)
{
    const struct keyring *keyring = &engine->ports.keyring;
    return keyring->refused != NULL && keyring->refused(keyring->context, generation);
}

static void hold(struct engine *engine, uint64_t generation, const struct verdict *verdict)
{
    char buffer[REPLY_CODE_MAX + REPLY_MESSAGE_MAX + 64];
    struct text text = text_over(buffer, sizeof buffer);
    text_addf(&text, "the cloud refuses the keys: %s: %s", verdict->code, verdict->message);
    engine->refusal = (struct refusal){
        .held = true,
        .generation = generation,
        .since = engine->now.mono,
        .wait_ns = PROBE_FIRST_NS,
        .probe_at = mono_add_ns(engine->now.mono, PROBE_FIRST_NS),
    };
    engine_keys_fail(engine, buffer);
}

/* Those that were refused wait no longer for it. */
static void wake_refused(struct engine *engine, uint64_t generation)
{
    size_t position = 0;
    for (struct run *run; (run = run_pool_next(engine->pool, &position)) != NULL;) {
        if (run->state != ATTEMPT_WAITING || run->refusals == 0 || run->refused_by != generation)
            continue;
        heap_remove(&run->lane->waiting, &run->queue);
        int r = heap_push(&run->lane->waiting, &run->queue, engine->now.mono.ns);
        assert(r == 0); /* its place is free */
    }
}

static void release(struct engine *engine)
{
    engine->refusal.held = false;
    wake_refused(engine, engine->refusal.generation);
    engine->blocked_until = (struct mono){INT64_MIN};
    engine_keys_serve(engine);
}

/* They have served someone since the run was refused, and just now: it is the run. */
static bool serve_others(const struct engine *engine, const struct run *run)
{
    return engine->served && engine->served_generation == run->refused_by
           && mono_before(run->refused_at, engine->served_at)
           && mono_diff_ns(engine->now.mono, engine->served_at) <= SERVED_LATELY_NS;
}

static void keep_rejection(struct engine *engine, uint64_t generation, const char *code)
{
    struct rejection *rejection = &engine->rejection;
    if (code[0] == '\0' && rejection->generation != generation)
        return; /* others serve; these do not */
    struct text text = text_over(rejection->code, sizeof rejection->code);
    text_add(&text, code);
    rejection->generation = generation;
}

const char *engine_keys_rejection(struct engine *engine)
{
    const struct rejection *rejection = &engine->rejection;
    return rejection->code[0] != '\0' && are_present(engine, rejection->generation)
               ? rejection->code
               : "";
}

/* It is about keys that are refused, and was sent after that. */
static bool is_probe(const struct engine *engine, uint64_t generation, struct mono sent_at)
{
    const struct refusal *refusal = &engine->refusal;
    return refusal->held && refusal->generation == generation
           && !mono_before(sent_at, refusal->since);
}

static void note_served(struct engine *engine, uint64_t generation, struct mono sent_at)
{
    if (engine->served && mono_before(sent_at, engine->served_at))
        return;
    engine->served = true;
    engine->served_generation = generation;
    engine->served_at = sent_at;
}

void engine_judge_keys(struct engine *engine, uint64_t generation, struct mono sent_at,
                       const struct verdict *verdict, const struct run *run)
{
    if (is_auth_failure(verdict)) {
        keep_rejection(engine, generation, is_of_keys(verdict->code) ? verdict->code : "");
        bool others_may_come = tell_refused(engine, generation);
        bool is_known = (run != NULL && run->refusals > 0 && run->refused_by == generation
                         && serve_others(engine, run))
                        || (engine->refusal.held && engine->refusal.generation == generation);
        if (is_probe(engine, generation, sent_at) && !is_of_keys(verdict->code))
            release(engine); /* they are known, and may not do this */
        if (others_may_come && !is_known && is_of_keys(verdict->code)
            && !are_replaced(engine, generation))
            hold(engine, generation, verdict);
        return;
    }
    bool serve = verdict->http_status == 200
                 && (verdict->class == VERDICT_ACCEPTED || verdict->class == VERDICT_BUSY
                     || verdict->class == VERDICT_FINAL);
    bool of_refused = engine->refusal.held && engine->refusal.generation == generation;
    if (!serve || (of_refused && !is_probe(engine, generation, sent_at)))
        return;
    keep_rejection(engine, generation, "");
    note_served(engine, generation, sent_at);
    if (of_refused)
        release(engine);
}

/* ---- what signs ---- */

bool engine_may_sign(struct engine *engine)
{
    struct refusal *refusal = &engine->refusal;
    if (!refusal->held)
        return true;
    if (are_replaced(engine, refusal->generation)) {
        refusal->held = false; /* others, which are yet to be tried */
        wake_refused(engine, refusal->generation);
        return true;
    }
    (void)tell_refused(engine, refusal->generation);
    return !mono_before(engine->now.mono, refusal->probe_at);
}

const struct keys *engine_get_keys(struct engine *engine)
{
    const struct keyring *keyring = &engine->ports.keyring;
    struct refusal *refusal = &engine->refusal;
    const struct keys *keys;
    struct errtext err = {""};
    int r = keyring->get(keyring->context, &keys, &err);
    if (r < 0) {
        engine_keys_fail(engine, err.text);
        return NULL;
    }
    if (refusal->held && keys->generation == refusal->generation) {
        if (mono_before(engine->now.mono, refusal->probe_at))
            return NULL;
        refusal->wait_ns =
            refusal->wait_ns < PROBE_MOST_NS / 2 ? refusal->wait_ns * 2 : PROBE_MOST_NS;
        refusal->probe_at = mono_add_ns(engine->now.mono, refusal->wait_ns);
    }
    return keys;
}

/* ---- runs that were refused ---- */

static int64_t wait_us(int refusals, int64_t left_us)
{
    int64_t wait = KEYS_WAIT_US;
    for (int i = 1; i < refusals && wait < KEYS_WAIT_MOST_US; i++)
        wait *= 2;
    wait = wait < KEYS_WAIT_MOST_US ? wait : KEYS_WAIT_MOST_US;
    return wait < left_us - US_PER_SECOND ? wait : left_us - US_PER_SECOND;
}

bool engine_await_keys(struct engine *engine, struct run *run, int64_t left_us,
                       int64_t *ret_delay_us)
{
    if (!is_auth_failure(&run->verdict) || left_us <= KEYS_WAIT_US + US_PER_SECOND
        || !tell_refused(engine, run->keys))
        return false;
    bool again = run->refusals > 0 && run->refused_by == run->keys;
    if (again && (run->wants_other_keys || serve_others(engine, run)))
        return false;
    if (!again)
        run->refused_at = engine->now.mono;
    run->refusals = again ? run->refusals + 1 : 1;
    run->refused_by = run->keys;
    run->wants_other_keys = !is_of_keys(run->verdict.code);
    *ret_delay_us = wait_us(run->refusals, left_us);
    return true;
}

bool engine_lacks_keys(struct engine *engine, const struct run *run)
{
    return run->wants_other_keys && are_present(engine, run->refused_by);
}
